// Relative to the page, so that the description is found whatever is in front of the service.
SwaggerUIBundle({
  url: "../v1/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: "none",
  defaultModelsExpandDepth: 0,
});
