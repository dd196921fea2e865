/** A TCP proxy that a test can hold, cut and stop. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** @param {string} target A URL. */
export async function startProxy(target) {
    const { hostname, port, protocol, pathname } = new URL(target);
    /** @type {Set<import('node:net').Socket>} */
    const sockets = new Set();
    let isHolding = false;
    const server = createServer((client) => {
        const upstream = connect(Number(port), hostname);
        for (const socket of [client, upstream]) {
            sockets.add(socket);
            socket.on("error", () => {});
            socket.on("close", () => {
                sockets.delete(socket);
                client.destroy();
                upstream.destroy();
            });
        }
        client.pipe(upstream);
        upstream.on("data", (data) => isHolding || client.write(data));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = /** @type {import('node:net').AddressInfo} */ (server.address());
    return {
        url: `${protocol}//127.0.0.1:${address.port}${pathname}`,
        /** Loses what the service sends from now on. */
        hold: () => (isHolding = true),
        /** Ends all connections. New ones work. */
        cut() {
            isHolding = false;
            for (const socket of sockets) socket.destroy();
        },
        stop() {
            server.close();
            for (const socket of sockets) socket.destroy();
        },
    };
}
