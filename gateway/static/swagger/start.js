// Shows the API's own description; everything comes from this host.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
paint();
dark.addEventListener("change", paint);
// What Swagger UI shows, but: no link inside a button that does the same, no choice among one server, a heading of every
// level, a landmark around each part, and a name for each choice.
const accessible = ({ React: { createElement } }) => ({
  components: {
    DeepLink: ({ text }) => createElement("span", null, text),
    ServersContainer: () => null,
  },
  wrapComponents: {
    InfoContainer: (Info) => (props) => createElement("div", { role: "banner" }, createElement(Info, props)),
    JsonSchema_boolean: (Choice) => (props) =>
      createElement("label", { className: "named" }, createElement("span", null, props.description), createElement(Choice, props)),
    operations: (Operations) => (props) =>
      createElement("div", null, createElement("h2", null, "Operations"), createElement(Operations, props)),
  },
});
window.addEventListener("load", () => {
  window.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#docs",
    deepLinking: true,
    validatorUrl: null,
    plugins: [accessible],
  });
});
