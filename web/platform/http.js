/**
 * Calls of the HTTP API, with a token that is renewed once if the service refuses it.
 *
 * @import {FieldError, HttpRequest, HttpResponse} from '../types/index.js'
 */

const TIMEOUT = 30_000;

/** A refused call. `detail` can be shown to the user. */
export class ApiError extends Error {
    /**
     * @param {number} status 0 if no response arrived.
     * @param {string} code
     * @param {string} detail
     * @param {number | null} retryAfter In seconds.
     * @param {FieldError[]} errors
     */
    constructor(status, code, detail, retryAfter = null, errors = []) {
        super(detail);
        this.name = "ApiError";
        this.status = status;
        this.code = code;
        this.detail = detail;
        this.retryAfter = retryAfter;
        this.errors = errors;
    }

    /** @param {HttpResponse} response */
    static of(response) {
        // The gateway itself responds with `message`, and without a code.
        const { code, detail, errors } = response?.body ?? {};
        return new ApiError(
            response?.status ?? 0,
            code ?? "unavailable",
            detail ?? "Something went wrong. Try again in a moment.",
            response?.retryAfter ?? null,
            errors ?? [],
        );
    }
}

export class Http {
    #api;
    #getToken;

    /**
     * @param {string} api The base URL.
     * @param {(isExpired: boolean) => Promise<string>} getToken
     */
    constructor(api, getToken) {
        this.#api = `${api.replace(/\/$/, "")}/api/v1`;
        this.#getToken = getToken;
    }

    /**
     * @param {HttpRequest} request
     * @returns {Promise<HttpResponse>}
     */
    async call(request) {
        try {
            const token = await this.#getToken(false);
            const response = await this.#fetch(request, token);
            if (response?.status !== 401) return response;
            const renewed = await this.#getToken(true);
            return renewed === token ? response : await this.#fetch(request, renewed);
        } catch {
            return null;
        }
    }

    /**
     * @param {HttpRequest} request
     * @param {string} token
     * @returns {Promise<HttpResponse>}
     */
    async #fetch({ method, path, body }, token) {
        /** @type {Record<string, string>} */
        const headers = { authorization: `Bearer ${token}` };
        if (body !== undefined) headers["content-type"] = "application/json";
        const response = await fetch(this.#api + path, {
            method,
            headers,
            body: body === undefined ? undefined : JSON.stringify(body),
            signal: AbortSignal.timeout(TIMEOUT),
            cache: "no-store",
            credentials: "omit",
        });
        const text = await response.text();
        const seconds = response.headers.get("retry-after");
        return {
            status: response.status,
            body: text === "" ? null : JSON.parse(text),
            retryAfter: seconds === null ? null : Number(seconds),
            nextCursor: response.headers.get("x-next-cursor"),
        };
    }
}
