// A file of its own, since the page allows no inline script.
const place = document.getElementById("swagger-ui");

window.ui = SwaggerUIBundle({
  url: place.dataset.specification,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  displayOperationId: true,
  docExpansion: "list",
});
