// The parts of the head's sentence that lead somewhere.

import type { Investigation, Suspect } from '../../../api/types';
import { clock } from '../../../ui/format';
import type { Highlight } from '../../../ui/RichSentence';
import { Numbers } from '../../../ui/RichSentence';
import type { Span } from '../timeline/model';

interface Ways {
  lead: Suspect | null;
  onset: number | null;
  prove: (suspect: Suspect) => void;
  lookAt: (span: Span) => void;
  focus: (service: string) => void;
}

export function headHighlights({ findings, service_affected }: Investigation, { lead, onset, prove, lookAt, focus }: Ways): Highlight[] {
  const way = (text: string, className: string, title: string, run: () => void): Highlight => ({
    text, render: (found) => <a role="button" tabIndex={0} className={`way ${className}`} title={title} onClick={run} onKeyDown={(event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      run();
    }}><Numbers text={found} bold={false} /></a>,
  });
  const service = findings?.service_affected ?? service_affected;
  const share = /\d[\d.,]* ?% of requests/.exec(findings?.headline ?? '')?.[0];
  return [
    ...(lead ? [way(lead.entity, 'change', 'Show its proof', () => prove(lead))] : []),
    ...(service ? [way(service, 'hot', 'Find it in the graph', () => focus(service))] : []),
    ...(onset !== null ? [way(clock(onset, false), '', 'Look at the onset', () => lookAt({ from: onset - 60_000, to: onset + 60_000 }))] : []),
    ...(share && onset !== null ? [way(share, '', 'Look at the failures', () => lookAt({ from: onset - 60_000, to: onset + 120_000 }))] : []),
  ];
}
