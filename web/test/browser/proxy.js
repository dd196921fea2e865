/** A TCP proxy in front of the WebSocket API, which a test cuts at an exact frame. */
import { createServer, connect } from "node:net";
import { once } from "node:events";

export class SocketProxy {
    /** @param {string} url the URL of the WebSocket API */
    static async start(url) {
        const target = new URL(url);
        const proxy = new SocketProxy();
        proxy.server = createServer((client) => proxy.#join(client, target));
        proxy.server.listen(0, "127.0.0.1");
        await once(proxy.server, "listening");
        // A failed test leaves it.
        proxy.server.unref();
        proxy.url = `ws://127.0.0.1:${proxy.server.address().port}${target.pathname}`;
        return proxy;
    }

    /** @type {Set<import('node:net').Socket>} */
    sockets = new Set();
    /** Whether connections are refused. */
    isDown = false;
    /** How many connections were accepted. */
    accepted = 0;
    /** @type {string | null} The type of the frame whose reply is lost, with the connection. */
    cutAfter = null;
    /** @type {(() => void) | null} */
    #onCut = null;

    /** From now on, passes the next frame of this type on, but loses the reply and the connection. The promise resolves
     * after the service has replied. @param {string} type */
    cutReplyTo(type) {
        this.cutAfter = type;
        return new Promise((resolve) => (this.#onCut = () => resolve(undefined)));
    }

    /** @param {import('node:net').Socket} client @param {URL} target */
    #join(client, target) {
        if (this.isDown) {
            client.destroy();
            return;
        }
        this.accepted += 1;
        const service = connect(Number(target.port), target.hostname);
        for (const socket of [client, service]) {
            this.sockets.add(socket);
            socket.on("error", () => {});
            socket.on("close", () => {
                this.sockets.delete(socket);
                client.destroy();
                service.destroy();
            });
        }
        const read = frameReader();
        let isCut = false;
        client.on("data", (chunk) => {
            const types = read(chunk).map((text) => text.match(/"type"\s*:\s*"(\w+)"/)?.[1]);
            if (this.cutAfter && types.includes(this.cutAfter)) isCut = true;
            service.write(chunk);
        });
        service.on("data", (chunk) => {
            if (!isCut) {
                client.write(chunk);
            } else if (chunk.includes("message_sent")) {
                this.isDown = true;
                this.cutAfter = null;
                this.cut();
                this.#onCut?.();
            }
        });
    }

    /** Closes all connections. */
    cut() {
        for (const socket of this.sockets) socket.destroy();
    }

    async stop() {
        this.cut();
        this.server.close();
        await once(this.server, "close");
    }
}

/** Reads the texts of masked frames after the handshake (RFC 6455, section 5.2). */
function frameReader() {
    let pending = Buffer.alloc(0);
    let isOpen = false;
    return (/** @type {Buffer} */ chunk) => {
        const texts = [];
        pending = Buffer.concat([pending, chunk]);
        if (!isOpen) {
            const end = pending.indexOf("\r\n\r\n");
            if (end < 0) return texts;
            pending = pending.subarray(end + 4);
            isOpen = true;
        }
        while (pending.length >= 2) {
            const short = pending[1] & 0x7f;
            const start = short === 126 ? 4 : short === 127 ? 10 : 2;
            if (pending.length < start + 4) break;
            const length =
                short === 126
                    ? pending.readUInt16BE(2)
                    : short === 127
                      ? Number(pending.readBigUInt64BE(2))
                      : short;
            if (pending.length < start + 4 + length) break;
            const mask = pending.subarray(start, start + 4);
            const payload = pending
                .subarray(start + 4, start + 4 + length)
                .map((byte, index) => byte ^ mask[index % 4]);
            texts.push(Buffer.from(payload).toString("utf8"));
            pending = pending.subarray(start + 4 + length);
        }
        return texts;
    };
}

/** Lets a profile reach the WebSocket API through a proxy. */
export async function useProxy(context, stack, proxy) {
    await context.route("**/config.json", async (route) => {
        const config = await (await fetch(`${stack.http}/config.json`)).json();
        await route.fulfill({ json: { ...config, socket: proxy.url } });
    });
}
