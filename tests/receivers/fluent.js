// A server of the Fluent project's own package: prints an entry a line, as JSON.
// Usage: node fluent.js PORT SECURITY, where SECURITY is null or what its constructor takes.

const { FluentServer } = require("@fluent-org/logger");

const [port, security] = process.argv.slice(2).map((text) => JSON.parse(text));
const listenOptions = { host: "127.0.0.1", port };
const server = new FluentServer({ listenOptions, security: security || undefined });

server.on("entry", (tag, time, record) => {
  console.log(JSON.stringify({ tag, seconds: time.epoch, nanos: time.nano, record }));
});
server.listen();
