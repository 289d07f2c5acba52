/** What holds everywhere: the fonts, the design's values, how elements look by themselves. All else belongs to a component. */
import "@fontsource-variable/ibm-plex-sans/wght.css";
import "@fontsource/ibm-plex-mono/latin-400.css";
import "@fontsource/ibm-plex-mono/latin-500.css";
import "./tokens.css";
import "./base.css";
