// One door to the server: JSON in and out, problem details (RFC 9457) as one error type.

const BASE = '/api/v1';

export interface FieldProblem {
  field: string;
  reason: string;
}

/** What the server, or the way to it, said no with. `status` is 0 when nobody answered. */
export class Problem extends Error {
  readonly status: number;
  readonly detail: string;
  readonly fields: FieldProblem[];

  constructor(status: number, title: string, detail = '', fields: FieldProblem[] = []) {
    super(detail || title);
    this.name = 'Problem';
    this.status = status;
    this.detail = detail;
    this.fields = fields;
  }
}

/** A sentence for a person, with the fields at fault. */
export function explain(error: unknown): string {
  if (!(error instanceof Problem)) return error instanceof Error ? error.message : String(error);
  if (error.status === 0) return 'The server does not answer.';
  const fields = error.fields.map(({ field, reason }) => `${field}: ${reason}`).join('; ');
  return fields || error.message;
}

const storage = {
  read(key: string): string {
    try {
      return localStorage.getItem(key) ?? '';
    } catch {
      return '';
    }
  },
  write(key: string, value: string) {
    try {
      if (value) localStorage.setItem(key, value);
      else localStorage.removeItem(key);
    } catch {
      // Storage is switched off: the value lives as long as the page.
    }
  },
};

let token = storage.read('whydunit.token');
let person = storage.read('whydunit.person');

export const identity = {
  person: () => person || 'local',
  setPerson(name: string) {
    // Header values are Latin text; the server bounds the name at 100 characters.
    person = name.replace(/[^\x20-\x7e]/g, '').trim().slice(0, 100);
    storage.write('whydunit.person', person);
  },
  setToken(value: string) {
    token = value.trim();
    storage.write('whydunit.token', token);
  },
};

export function authHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (person) headers['X-Whydunit-User'] = person;
  return headers;
}

export interface Answer<T> {
  data: T;
  headers: Headers;
}

interface Ask {
  method?: string;
  body?: unknown;
  /** Version that the write is based on; `*` for "whatever it is". */
  ifMatch?: number | '*';
  signal?: AbortSignal;
}

export async function ask<T>(path: string, { method = 'GET', body, ifMatch, signal }: Ask = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: 'application/json', ...authHeaders() };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method === 'POST') headers['Idempotency-Key'] = randomKey();
  if (ifMatch !== undefined) headers['If-Match'] = ifMatch === '*' ? '*' : `"${ifMatch}"`;
  let response: Response;
  try {
    response = await fetch(BASE + path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(0, 'The server does not answer');
  }
  if (!response.ok) throw await problemOf(response);
  const data = response.status === 204 ? undefined : await response.json().catch(() => undefined);
  return { data: data as T, headers: response.headers };
}

async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null);
  if (typeof body !== 'object' || body === null) return new Problem(response.status, `${response.status} ${response.statusText}`);
  const { title, detail, errors } = body as { title?: string; detail?: string; errors?: FieldProblem[] };
  return new Problem(response.status, title ?? String(response.status), detail, Array.isArray(errors) ? errors : []);
}

/** Random in every context: `crypto.randomUUID` exists only where the page came over TLS or from this machine. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export type Query = Record<string, string | number | readonly string[] | null | undefined>;

/** Query text with its leading `?`; empty values are left out, lists are repeated. */
export function queryText(query: Query): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    const values = typeof value === 'object' && value !== null ? value : [String(value ?? '')];
    values.filter(Boolean).forEach((one) => params.append(key, one));
  }
  const text = params.toString();
  return text && `?${text}`;
}

export const segment = encodeURIComponent;
