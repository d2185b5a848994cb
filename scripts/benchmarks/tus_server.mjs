// The tus reference server over its file store: node tus_server.mjs PORT FOLDER (with @tus/server and @tus/file-store installed)
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const require = createRequire(path.join(process.cwd(), "package.json"));
const { Server } = await import(require.resolve("@tus/server"));
const { FileStore } = await import(require.resolve("@tus/file-store"));
const [port, folder] = process.argv.slice(2);
const server = new Server({ path: "/octets", datastore: new FileStore({ directory: folder }) });
server.listen({ host: "127.0.0.1", port: Number(port) });
