// The form works without this: it only spaces the digits and keeps a second click from sending twice.
const form = document.querySelector("[data-pay]");
if (form) {
  const number = form.elements.cardNumber;
  const expiry = form.elements.cardExpiry;
  const spaced = (input, rewrite) =>
    input.addEventListener("input", () => {
      if (input.selectionStart === input.value.length) input.value = rewrite(input.value.replace(/\D/g, ""));
    });
  spaced(number, (digits) => digits.slice(0, 19).replace(/(\d{4})(?=\d)/g, "$1 "));
  spaced(expiry, (digits) => (digits.length > 2 ? `${digits.slice(0, 2)} / ${digits.slice(2, 4)}` : digits));
  form.addEventListener("submit", () => {
    const button = form.querySelector("button");
    button.disabled = true;
    button.textContent = button.dataset.busy;
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // back from the merchant: show what became of the payment
  });
  document.querySelector("[aria-invalid]")?.focus();
}
