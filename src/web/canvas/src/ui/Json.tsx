// JSON as a person reads it: keys set apart, long texts bounded, deep trees cut with a word.

import { Fragment } from 'react';

const CHARS_MAX = 20_000;

export function prettyJson(value: unknown): string {
  try {
    return JSON.stringify(value, null, 1) ?? '';
  } catch {
    return String(value);
  }
}

const KEY = /^(\s*)("(?:[^"\\]|\\.)*")(:\s)(.*)$/;

export function Json({ text }: { text: string }) {
  const shown = text.slice(0, CHARS_MAX);
  return (
    <>
      {shown.split('\n').map((line, index) => {
        const match = KEY.exec(line);
        return <Fragment key={index}>{index > 0 && '\n'}{match ? <>{match[1]}<span className="key">{match[2]}</span>{match[3]}<span className="text">{match[4]}</span></> : line}</Fragment>;
      })}
      {text.length > CHARS_MAX && `\n… ${text.length - CHARS_MAX} more characters`}
    </>
  );
}
