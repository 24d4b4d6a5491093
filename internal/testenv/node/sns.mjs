// Runs a server of SNS and SQS (fauxqs) on the loopback address alone, which its own command cannot. Says its URL on
// stdout and ends with its stdin, so that it does not outlive the test that started it.
import { buildApp } from "fauxqs";

const app = buildApp({ logger: false });
console.log(await app.listen({ host: "127.0.0.1", port: 0 }));
process.stdin.resume().on("end", () => process.exit());
