// Runs before the first paint, so that a chosen colour scheme does not flash. The choice is a cookie, never localStorage.
(function () {
  var found = /(?:^|; )sublet_theme=(light|dark)/.exec(document.cookie);
  if (found) document.documentElement.dataset.theme = found[1];
})();
