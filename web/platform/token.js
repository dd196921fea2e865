/**
 * Claims of an access token. The service verifies it; the client only reads who it is for, and until when.
 */

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * @param {string} token
 * @returns {{userId: string | null, expiresAt: number | null}} The user, and the expiry in milliseconds since
 *     1970.
 */
export function claimsOf(token) {
    try {
        const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
        const bytes = Uint8Array.from(atob(part), (character) => character.charCodeAt(0));
        const { user_id, sub, exp } = JSON.parse(new TextDecoder().decode(bytes));
        const userId = [user_id, sub].find((claim) => UUID.test(claim)) ?? null;
        return { userId, expiresAt: typeof exp === "number" ? exp * 1000 : null };
    } catch {
        return { userId: null, expiresAt: null };
    }
}
