/* Orders, by the API; what is to be seen comes by the link. */

export class Refused extends Error {}

const KEY = "culvert-admin-token";

/* Kept for this tab alone. */
export const token = {
  get: (): string => sessionStorage.getItem(KEY) ?? "",
  set: (value: string): void => sessionStorage.setItem(KEY, value),
};

async function order(method: string, path: string): Promise<unknown> {
  const headers: Record<string, string> = {};
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  const answer = await fetch(`/api/v1/${path}`, { method, headers });
  const body: unknown = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  const why = body as { error?: string };
  throw new Refused(why.error ?? `the server answered ${answer.status}`);
}

export const kick = (client: string): Promise<unknown> =>
  order("DELETE", `clients/${encodeURIComponent(client)}`);

export const cut = (id: number): Promise<unknown> => order("DELETE", `conns/${id}`);

export const drain = (): Promise<unknown> => order("POST", "drain");
