// An investigation as Markdown: to send, or to keep beside the code. Pure.

import type { Evidence, Investigation, Note, Suspect } from '../../api/types';
import { duration, score as scoreText, shortId, words } from '../../ui/format';

/** What Markdown would take for markup stays text. */
const plain = (text: string) => text.replace(/([\\`*_[\]<>#|])/g, '\\$1').replace(/\s+/g, ' ');
const minute = (time: string) => `${time.slice(0, 10)} ${time.slice(11, 19)} UTC`;

export function report(investigation: Investigation, notes: readonly Note[], address: string): string {
  const { findings } = investigation;
  const end = investigation.recovered_at ?? investigation.resolved_at ?? investigation.closed_at;
  const facts = [
    `- ${words(investigation.impact_severity)}, ${investigation.priority.toUpperCase()}, ${words(investigation.close_reason ?? investigation.status).toLowerCase()}, with ${investigation.assigned_to ? plain(investigation.assigned_to) : 'nobody'}`,
    `- Onset ${minute(investigation.started_at)}, noticed ${duration(Date.parse(investigation.detected_at) - Date.parse(investigation.started_at))} later${end ? `, over ${minute(end)}` : ''}`,
    ...(findings ? [`- Sure of the cause: ${scoreText(findings.confidence)}; ${findings.hot_services.length} of ${findings.services_total} services hot: ${findings.hot_services.map(plain).join(', ')}`] : []),
    ...(investigation.tags.length ? [`- Tags: ${investigation.tags.map(plain).join(', ')}`] : []),
    `- ${address}`,
  ];
  const cause = investigation.root_cause ? ['', '## Root cause', '', plain(investigation.root_cause)] : [];
  const where = findings?.where_sentence ? ['', plain(findings.where_sentence)] : [];
  const suspects = [...(findings?.suspects ?? [])].sort((a, b) => b.score - a.score).flatMap(suspectLines);
  const said = notes.map((note) => `- ${minute(note.at ?? note.created_at)}, ${plain(note.author)}: ${note.body.replace(/\s*\n\s*/g, ' ')}`);
  return [
    `# ${plain(investigation.title)}`, '', `\`${shortId(investigation.id)}\` (${investigation.id})`, '', ...facts, ...where, ...cause,
    ...(suspects.length ? ['', '## Suspects', ...suspects] : []), ...(said.length ? ['', '## Notes', '', ...said] : []), '',
  ].join('\n');
}

function suspectLines(suspect: Suspect): string[] {
  const lines = (list: readonly Evidence[], sign: string) => list.map(({ sentence }) => `- ${sign} ${plain(sentence)}`);
  const verdict = suspect.verdict === 'suspect' ? '' : `, ${suspect.verdict}${suspect.verdict_by ? ` by ${plain(suspect.verdict_by)}` : ''}`;
  const why = suspect.evidence.length || suspect.counter_evidence.length ? [] : [`- ${plain(suspect.sentence)}`].filter((line) => line !== '- ');
  return ['', `### ${scoreText(suspect.score)} ${plain(suspect.entity)}${verdict}`, '', ...(suspect.diff_hint ? [`\`${suspect.diff_hint.replace(/`/g, "'")}\``, ''] : []), ...lines(suspect.evidence, 'for:'), ...lines(suspect.counter_evidence, 'against:'), ...why];
}
