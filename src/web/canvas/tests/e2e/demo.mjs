// The real binary's demo: its records, its pipeline, its API, its page.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

const START_MS = 120_000;

/** An answer that takes long on a busy machine is no refusal, and no end is cut short. */
const PATIENT = { WHYDUNIT__WEB__TIMEOUT_MS: '60000', WHYDUNIT__PIPELINE__DRAIN_S: '100' };

/** Starts `binary demo`; gives its address, what it reads from, and how to end it. */
export async function startDemo(binary, fault = 'bad-deploy') {
  const child = spawn(binary, ['demo', '--listen', '127.0.0.1:0', '--fault', fault], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...PATIENT } });
  let said = '';
  const url = await new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error(`the demo did not say its address:\n${said}`)), START_MS);
    const listen = (chunk) => {
      said += chunk;
      const found = /Open (http:\/\/\S+)/.exec(said);
      if (found) {
        clearTimeout(timer);
        done(found[1]);
      }
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('exit', (code) => failed(new Error(`the demo ended with ${code}:\n${said}`)));
  });
  const read = async (path) => {
    const response = await fetch(`${url}/api/v1${path}`);
    if (!response.ok) throw new Error(`${response.status} ${path}`);
    return response.json();
  };
  return {
    url, read,
    /** Writes one record to a topic of the demo's in-process Kafka. */
    async produce(topic, value, key = 'test') {
      const [{ brokers }] = await read('/connectors');
      execFileSync('kcat', ['-P', '-b', brokers, '-t', topic, '-k', key, '-D', '\u0007', '-c', '1'], { input: value });
    },
    /** As Ctrl-C does; gives the exit code. */
    async stop() {
      if (child.exitCode !== null) return child.exitCode;
      child.removeAllListeners('exit');
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');
      return code;
    },
  };
}
