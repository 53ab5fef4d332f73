// The API's JSON, as `src/model/*.rs` writes it. Times are RFC 3339 texts in UTC.

export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'info';
export type Source = 'git' | 'ci' | 'metrics' | 'logs' | 'traces' | 'manual';
export type Status = 'open' | 'in_progress' | 'resolved' | 'closed';
export type CloseReason = 'false_alarm' | 'duplicate';
export type Priority = 'p0' | 'p1' | 'p2' | 'p3';
export type SuspectKind = 'service' | 'change' | 'host' | 'external' | 'none';
export type Verdict = 'suspect' | 'confirmed' | 'refuted';
export type Family = 'log_shape' | 'latency' | 'metric' | 'failures' | 'throughput';

export interface Factor {
  name: string;
  value: number;
}

export interface Evidence {
  sentence: string;
  event_ids: string[];
  surprise: number | null;
}

export interface Suspect {
  id: string;
  rank: number;
  kind: SuspectKind;
  entity: string;
  service: string | null;
  event_id: string | null;
  at: string | null;
  author: string | null;
  score: number;
  factors: Factor[];
  sentence: string;
  evidence: Evidence[];
  counter_evidence: Evidence[];
  diff_hint: string | null;
  verdict: Verdict;
  verdict_comment: string | null;
  verdict_by: string | null;
}

export interface SuspectSummary {
  kind: SuspectKind;
  entity: string;
  detail: string;
  score: number;
}

export interface SeriesPoint {
  at: string;
  value: number;
}

export interface Facts {
  hits_before: number;
  cases_before: number;
  hits_now: number;
  cases_now: number;
  value_before: number | null;
  value_now: number | null;
  threshold: number | null;
  excess: number | null;
  z: number | null;
}

export interface Signal {
  service: { environment: string; service: string };
  family: Family;
  detector: string;
  key: string;
  surprise: number;
  window_s: number;
  onset: string;
  facts: Facts;
  sentence: string;
  event_id: string;
  host: string | null;
  series: SeriesPoint[];
  unit: string;
}

export interface GraphNode {
  service: string;
  score: number;
  surprise: number;
  own_excess: number;
  own_excess_unit: string;
  delay_s: number | null;
  hot: boolean;
  label: string;
}

export interface GraphEdge {
  caller: string;
  callee: string;
  calls: number;
  failed: number;
  mean_ms: number;
  hot: boolean;
  label: string;
}

export interface ServiceGraph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

export interface EngineFindings {
  id: string;
  revision: number;
  environment: string;
  symptom: string;
  headline: string;
  where_sentence: string;
  impact_severity: Severity;
  service_affected: string;
  hot_services: string[];
  services_total: number;
  detected_at: string;
  started_at: string;
  recovered_at: string | null;
  updated_at: string;
  confidence: number;
  opened_because: string;
  opened_families: Family[];
  suspects: Suspect[];
  signals: Signal[];
  graph: ServiceGraph;
  learning: string[];
}

export interface Investigation {
  id: string;
  title: string;
  description: string;
  status: Status;
  close_reason: CloseReason | null;
  impact_severity: Severity;
  priority: Priority;
  detected_at: string;
  started_at: string;
  recovered_at: string | null;
  resolved_at: string | null;
  closed_at: string | null;
  root_cause: string | null;
  remediation: string | null;
  lessons_learned: string | null;
  component_affected: string | null;
  service_affected: string | null;
  environment: string | null;
  tags: string[];
  related_investigation_ids: string[];
  event_count: number;
  note_count: number;
  confidence: number;
  created_by: string;
  assigned_to: string | null;
  created_at: string;
  updated_at: string;
  version: number;
  revision: number;
  findings: EngineFindings | null;
}

export interface InvestigationSummary {
  id: string;
  title: string;
  symptom: string;
  status: Status;
  close_reason: CloseReason | null;
  impact_severity: Severity;
  priority: Priority;
  service_affected: string | null;
  environment: string | null;
  hot_services: number;
  services_total: number;
  first_suspect: SuspectSummary | null;
  confidence: number;
  assigned_to: string | null;
  tags: string[];
  detected_at: string;
  started_at: string;
  recovered_at: string | null;
  resolved_at: string | null;
  closed_at: string | null;
  updated_at: string;
  created_by: string;
  version: number;
  revision: number;
  spark: number[];
}

export interface InvestigationPatch {
  title?: string;
  description?: string;
  status?: Status;
  impact_severity?: Severity;
  priority?: Priority;
  assigned_to?: string;
  root_cause?: string;
  remediation?: string;
  lessons_learned?: string;
  component_affected?: string;
  tags?: string[];
}

export interface NewInvestigation {
  title: string;
  description?: string;
  impact_severity?: Severity;
  priority?: Priority;
  service_affected?: string;
  environment?: string;
}

export interface Note {
  id: string;
  investigation_id: string;
  author: string;
  body: string;
  event_id: string | null;
  at: string | null;
  parent_id: string | null;
  created_at: string;
  updated_at: string;
  version: number;
}

export interface Activity {
  id: number;
  investigation_id: string;
  at: string;
  who: string;
  what: string;
  detail: string;
}

export interface Position {
  cluster: string;
  topic: string;
  incarnation: number;
  partition: number;
  offset: number;
}

export interface EventItem {
  id: string;
  timestamp: string;
  observed_at: string;
  source: Source;
  event_type: string;
  severity: Severity;
  title: string;
  service: string | null;
  environment: string | null;
  host: string | null;
  fingerprint: string;
  count: number;
  first_seen: string;
  last_seen: string;
  trace_id: string | null;
  span_id: string | null;
  correlation_id: string | null;
  request_id: string | null;
  source_id: string | null;
  tags: string[];
  data: unknown;
  metadata: unknown;
  provenance: (Position & { connector: string; format: string }) | null;
  investigation_ids: string[];
}

export interface Bar {
  at: string;
  items: number;
  failing: number;
}

export interface Mark {
  event_id: string | null;
  at: string;
  until: string | null;
  severity: Severity;
  source: Source | null;
  event_type: string;
  title: string;
  service: string | null;
  linked: boolean;
}

export type LaneName = 'changes' | 'git' | 'ci' | 'metrics' | 'logs' | 'traces' | 'manual' | 'people';

export interface Lane {
  lane: LaneName;
  total: number;
  bars: Bar[];
  marks: Mark[];
  marks_cut: boolean;
}

export interface Timeline {
  from: string;
  to: string;
  step_s: number;
  lanes: Lane[];
  onset: string | null;
  detected_at: string | null;
}

export interface Facet {
  field: string;
  values: { value: string; count: number }[];
}

export type ConnectorState = 'connecting' | 'running' | 'paused' | 'backing_off' | 'open' | 'half_open' | 'stopped';

export interface ConnectorStatus {
  name: string;
  source: Source;
  state: ConnectorState;
  brokers: string;
  topics: string[];
  group: string;
  format: string;
  breaker: { state: 'closed' | 'open' | 'half_open'; failures: number; opened_at: string | null; retry_at: string | null };
  assigned_partitions: number;
  lag_records: number;
  lag_seconds: number;
  rate_in: number;
  rate_stored: number;
  rate_rejected: number;
  rate_history: number[];
  records_total: number;
  items_total: number;
  rejected_total: number;
  bytes_total: number;
  decode_mix: { format: string; records: number }[];
  last_record_at: string | null;
  last_event_at: string | null;
  last_error: string | null;
  last_error_at: string | null;
  restarts: number;
  because: string;
  since: string | null;
}

export interface Health {
  ready: boolean;
  degraded: boolean;
  reasons: string[];
  watermark: string | null;
  learning_until: string | null;
  stages: { name: string; alive: boolean; restarts: number; last_reason: string | null; since: string }[];
}

export type LetterStatus = 'waiting' | 'replayed' | 'discarded';
export type RejectionClass =
  | 'tombstone' | 'empty' | 'unknown_format' | 'malformed' | 'no_items' | 'invalid_field' | 'too_large' | 'panic';

export interface DeadLetter extends Position {
  id: string;
  connector: string;
  key_base64: string | null;
  value_base64: string | null;
  value_text: string | null;
  value_bytes: number;
  headers: { name: string; value: string | null }[];
  error_class: RejectionClass;
  error_message: string;
  format: string;
  bad_items: number[];
  attempts: number;
  first_failed_at: string;
  last_failed_at: string;
  fingerprint: string;
  status: LetterStatus;
  replay_count: number;
}

export interface DeadLetterGroup {
  fingerprint: string;
  connector: string;
  error_class: RejectionClass;
  format: string;
  error_message: string;
  count: number;
  waiting: number;
  bytes: number;
  first_failed_at: string;
  last_failed_at: string;
  newest_id: string;
}

export type LiveUpdate =
  | { type: 'investigation_changed'; id: string; revision: number; version: number }
  | { type: 'events_stored'; count: number; newest: string | null }
  | { type: 'dead_letters_stored'; count: number }
  | { type: 'notes_changed'; investigation_id: string }
  | { type: 'connectors_changed' }
  | { type: 'heartbeat'; watermark: string | null }
  | { type: 'reset' };
