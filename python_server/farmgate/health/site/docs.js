// Shows the API, and signs the page in with the token of a login that is tried on it.
const signsIn = /\/v1\/auth\/(login|refresh|wallet\/login)$/;

window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#ui",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
  responseInterceptor(reply) {
    if (reply.ok && signsIn.test(new URL(reply.url).pathname)) {
      const token = JSON.parse(reply.text).access_token;
      if (token) {
        window.ui.preauthorizeApiKey("bearer", token);
      }
    }
    return reply;
  },
});
