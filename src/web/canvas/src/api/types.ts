// The API's JSON under the page's names. The shapes are generated from the contract: `npm run types` writes schema.d.ts,
// and the build refuses one that is older than tests/contract/openapi.json.

import type { components } from './schema';

type Schemas = components['schemas'];

/** As an answer holds it: the server writes every field, one without a value as `null`. */
type Answered<T> = T extends readonly (infer One)[] ? Answered<One>[] : T extends object ? { [Key in keyof T]-?: Answered<T[Key]> } : T;
/** As a request may hold it: what is left out stays as it is. */
type Asked<T> = { [Key in keyof T]: NonNullable<T[Key]> };

export type Severity = Schemas['Severity'];
export type Source = Schemas['Source'];
export type Status = Schemas['Status'];
export type CloseReason = Schemas['CloseReason'];
export type Priority = Schemas['Priority'];
export type SuspectKind = Schemas['SuspectKind'];
export type Verdict = Schemas['Verdict'];
export type Family = Schemas['Family'];
export type LetterStatus = Schemas['LetterStatus'];
export type RejectionClass = Schemas['RejectionClass'];
export type ConnectorState = Schemas['ConnectorState'];

export type Evidence = Answered<Schemas['Evidence']>;
export type SourceRecord = Answered<Schemas['SourceRecord']>;
export type Suspect = Answered<Schemas['Suspect']>;
export type SuspectSummary = Answered<Schemas['SuspectSummary']>;
export type SeriesPoint = Answered<Schemas['SeriesPoint']>;
export type Signal = Answered<Schemas['Signal']>;
export type GraphNode = Answered<Schemas['GraphNode']>;
export type GraphEdge = Answered<Schemas['GraphEdge']>;
export type ServiceGraph = Answered<Schemas['ServiceGraph']>;
export type EngineFindings = Answered<Schemas['EngineFindings']>;
export type Investigation = Answered<Schemas['Investigation']>;
export type InvestigationSummary = Answered<Schemas['InvestigationSummary']>;
export type Note = Answered<Schemas['Note']>;
export type Activity = Answered<Schemas['Activity']>;
export type NotificationKind = Schemas['NotificationKind'];
export type DeliveryState = Schemas['DeliveryState'];
export type Delivery = Answered<Schemas['Delivery']>;
export type Notification = Answered<Schemas['NotificationView']>;
export type Channel = Answered<Schemas['ChannelView']>;
export type Explanation = Answered<Schemas['Explanation']>;
export type EventItem = Answered<Schemas['Event']>;
export type Bar = Answered<Schemas['Bar']>;
export type Mark = Answered<Schemas['Mark']>;
export type Facet = Answered<Schemas['Facet']>;
export type ConnectorStatus = Answered<Schemas['ConnectorStatus']>;
export type BreakerTransition = Answered<Schemas['BreakerTransition']>;
export type StageStatus = Answered<Schemas['StageStatus']>;
export type Health = Answered<Schemas['HealthView']>;
export type DeadLetter = Answered<Schemas['DeadLetterView']>;
export type DeadLetterGroup = Answered<Schemas['DeadLetterGroup']>;

export type ReplayRun = Answered<Schemas['ReplayRun']>;
export type LettersTaken = Answered<Schemas['LettersTaken']>;
export type DryRun = Omit<Answered<Schemas['DryRun']>, 'preview'> & { preview: unknown[] };
export type Alias = Answered<Schemas['Alias']>;
export type LedgerSums = Answered<Schemas['LedgerSums']>;
export type PartitionBooks = Answered<Schemas['PartitionBooks']>;
export type ConnectorBooks = Omit<Answered<Schemas['ConnectorBooks']>, 'partitions'> & { partitions: PartitionBooks[] };
export type Ledger = Omit<Answered<Schemas['Ledger']>, 'connectors'> & { connectors: ConnectorBooks[] };

export type LaneName = Source | 'changes' | 'people';
export type Lane = Answered<Schemas['Lane']> & { lane: LaneName };
export type Timeline = Omit<Answered<Schemas['Timeline']>, 'lanes'> & { lanes: Lane[] };

export type InvestigationPatch = Asked<Schemas['InvestigationPatch']>;
export type NewInvestigation = Asked<Schemas['NewInvestigation']>;

/** `reset` is a message of the stream itself: too much was missed. */
export type LiveUpdate = Answered<Schemas['LiveUpdate']> | { type: 'reset' };
