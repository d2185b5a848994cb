"use strict";
SwaggerUIBundle({
  url: new URL("../../openapi.json", document.currentScript.src).pathname, // a proxy may put a path before all
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  validatorUrl: null,
});
