// The answers of the server, as starec_sim/traces writes them. Rounds, steps, pages and positions
// count from 1.

export interface Address {
  arm: string;
  seed: number;
  user: string;
  round: number;
  step: number;
}

export interface ItemRef {
  id: string;
  title: string;
  attributes: Record<string, string[]>;
}

export interface Experience {
  item: ItemRef;
  /** Stars; null in a world without stars. */
  rating: number | null;
  source: string;
  /** What she did, e.g. "buy 2"; empty where the task has no such word. */
  action: string;
  /** Whether she liked it, where there are no stars. */
  like: boolean | null;
}

export interface Failure {
  error: string;
  hint?: string;
  near?: string[];
}

/** `api/runs`: a list of these. */
export interface RunRow {
  name: string;
  kind: "run" | "training" | "evaluation" | "audit";
  status: "running" | "interrupted" | "paused" | "failed" | "finished" | "damaged";
  started: string;
  experiment: string;
  arms: string[];
  seeds: number[];
  users: number | null;
  /** Of all arms and seeds together; null where no number is configured. */
  rounds_done: number;
  rounds: number | null;
  headline: { metric: string; value: number | null }[];
  /** The arm of the headline; in a training, the last validation. */
  headline_arm: string | null;
  cost_usd: number | null;
  folder?: string;
  problem?: string | null;
}

export interface RoundValue {
  round: number;
  mean: number | null;
  low: number | null;
  high: number | null;
  n?: number;
}

/** How much a run keeps: `decisions` has no prompts and answers, `metrics` no steps. */
export type RecordLevel = "everything" | "decisions" | "metrics";

/** `api/runs/RUN`. */
export interface Overview {
  run: {
    name: string;
    kind: RunRow["kind"];
    status: RunRow["status"];
    started: string;
    ended: string | null;
    rounds_done: number;
    rounds: number | null;
    /** Arms times seeds. */
    trials: number;
    experiment: string;
    digest: string | null;
    version: string;
    seeds: number[];
    arms: string[];
    users: number;
    note?: string | null;
    record: RecordLevel;
    /** Whether more was recorded, and the run compacted. */
    compacted: boolean;
  };
  metrics: {
    arm: string;
    metric: string;
    label: string;
    direction: "higher" | "lower" | "";
    rounds: RoundValue[];
  }[];
  /** The rounds that the totals are means of, e.g. "rounds 2 to 6"; null for all. */
  window: string;
  totals: {
    arm: string;
    metric: string;
    mean: number | null;
    low: number | null;
    high: number | null;
  }[];
  funnel: { arm: string; shown: number; chosen: number; liked: number; left: number }[];
  slow_share: { arm: string; rounds: (number | null)[] }[];
  calls: {
    arm: string;
    node: string;
    policy: string;
    calls: number;
    tokens_in: number | null;
    tokens_out: number | null;
    seconds: number | null;
    cost_usd: number | null;
    cache_hits: number;
    failed: number;
  }[];
  errors: { cause: string; text: string; count: number; example: Address | null }[];
  configuration: unknown;
  live: boolean;
  command?: string;
}

export interface PersonRow {
  user: string;
  profile: Record<string, string>;
  visits: number;
  steps: number;
  chosen: number;
  liked: number;
  mean_rating: number | null;
  slow_share: number | null;
  flaws: number;
  left_round: number | null;
  /** The metric `People.spark` in each round. */
  spark: (number | null)[];
  /** In a bundle: the classes of traits that differ from the values, such as "18 to 25". */
  classes?: Record<string, string>;
}

/** `api/runs/RUN/people?arm&seed&sort&descending&q&where=FIELD:VALUE&offset&limit`. */
export interface People {
  total: number;
  /** Those of them who visited in this trial. */
  visited: number;
  rows: PersonRow[];
  /** Names of the traits in the profiles. */
  fields: string[];
  /** The metric that is drawn by round; null if none is on record. */
  spark: string | null;
  /** In a bundle that has the first people alone: how many; filters look among them. */
  embedded?: number;
}

export interface VisitStep {
  step: number;
  page: number;
  task: string;
  slate: { id: string; title: string }[];
  /** Ids of the items that she watched, or her first one of a ranking. */
  chosen: string[];
  /** True stars by the id of the item, where they became known. */
  stars: Record<string, number>;
  slow: boolean;
  reason: string;
  reward: Record<string, number>;
  /** With the weights of a training; null without them. */
  reward_total: number | null;
  flaws: Record<string, number>;
  ending: string;
}

/** `api/runs/RUN/person?arm&seed&user`. */
export interface Person {
  user: string;
  profile: Record<string, string>;
  arm: string;
  seed: number;
  visits: { round: number; steps: VisitStep[] }[];
  summary_now: string;
}

export interface SlatePlace {
  position: number;
  label: string;
  item: ItemRef;
  /** Her true rating, where the step revealed it. */
  rating: number | null;
  target: boolean;
  rank: number | null;
  watched: boolean | null;
  expected: number | null;
  /** What she did with it, e.g. "watch 4" or "look at, buy 2". */
  action: string | null;
  /** The recommender's score, when on record. */
  score?: number | null;
  /** The hidden true rating, when the world can tell. */
  truth?: number | null;
}

export interface Tokens {
  ids: number[];
  logprobs: number[];
  version: string;
  sampling: Record<string, number>;
  group: string;
  /** The text of each token, when a tokenizer is at hand. */
  texts?: (string | null)[] | null;
}

export type Message = [role: string, content: string];

export interface Turn {
  node: string;
  attempt: number;
  policy: string;
  messages: Message[];
  completion: string;
  reasoning: string;
  tokens_in: number | null;
  tokens_out: number | null;
  latency_s: number;
  cost_usd: number | null;
  source: string;
  tries: number;
  failure: string;
  error: string;
  tokens: Tokens | null;
  /** Whether prompt and answer are on record. */
  recorded: boolean;
}

export interface Change {
  op: "added" | "removed" | "kept";
  text: string;
}

/** `api/runs/RUN/step?arm&seed&user&round&step`. */
export interface StepPage {
  at: Address;
  previous: Address | null;
  next: Address | null;
  profile: Record<string, string>;
  task: string;
  page: number;
  memory_before: {
    steps: number;
    summary: string;
    shown: string[];
    gained: Experience[];
    /** true: the schedule wrote the summary. */
    edited?: boolean;
  };
  recalled?: { item: ItemRef; score: number | null }[] | null;
  slate: SlatePlace[];
  /** true: the schedule set the slate. */
  slate_set?: boolean;
  turns: Turn[];
  leave: boolean;
  flaws: Record<string, number>;
  repaired: boolean;
  experiences: Experience[];
  ending: string;
  reward: Record<string, number>;
  /** The weights of the components, in a training. */
  reward_weights?: Record<string, number> | null;
  slow: boolean;
  reason: string;
  summary_after: string;
  changes: Change[];
  /** In a training: the group of answers that holds this step's decision. */
  group?: GroupPlace | null;
  /** In a training: the group that holds the summary written after it. */
  summary_group?: GroupPlace | null;
}

/** `api/runs/RUN/population?arm&seed`. */
export interface Population {
  traits: {
    trait: string;
    values: { value: string; users: number; outcomes: Record<string, number | null> }[];
  }[];
  /** The share of all impressions that the least shown 0, 1, ... 100 % of the items get. */
  lorenz: { arm: string; shares: number[]; gini: number }[];
  drift: { arm: string; rounds: (number | null)[] }[];
  /** Visits that ended because she left, and users for whom it was the last such round. */
  left: { round: number; visits: number; last: number }[];
}

/** `api/runs/RUN/interviews`: a list of these, newest first. */
export interface Interview {
  /** Within the folder of the run. */
  file: string;
  created: string;
  /** The users are as they were after it; 0 is the beginning. */
  round: number;
  users: number;
  policies: string[];
  /** Why it stopped before the end; empty otherwise. */
  stopped: string;
  not_asked: number;
  questions: AskedQuestion[];
}

export interface AskedQuestion {
  ask: string;
  type: string;
  /** `of` is "mean", or the option whose share it is. */
  figures: {
    arm: string;
    of: string;
    mean: number | null;
    low: number | null;
    high: number | null;
    users: number;
    unread: number;
  }[];
  answers: {
    user: string;
    arm: string;
    seed: number;
    /** Null where the answer could not be read. */
    value: boolean | number | string | null;
    problem: string;
  }[];
  /** Answers that are not among these. */
  left_out: number;
}

export interface Interval {
  mean: number;
  low: number;
  high: number;
}

/** One line of `steps.jsonl`. */
export interface TrainingStep {
  stage: string;
  step: number;
  version?: string;
  reward?: Record<string, number>;
  components?: Record<string, number>;
  counters?: Record<string, number>;
  loss?: number;
  kl?: number;
  entropy?: number;
  zero_variance?: number;
  groups?: number;
  rollouts?: number;
  validation?: Record<string, Interval>;
  /** By audit and metric, after a validation. */
  audits?: Record<string, Record<string, Interval>>;
}

export interface GroupRow {
  group: string;
  /** The step whose question was answered. */
  at: Address | null;
  node: string;
  size: number;
  mean: number;
  std: number;
  zero_variance: boolean;
  rewards: number[];
}

/** How a metric of held-out users changed from the first to the last validation. */
export interface MetricChange {
  metric: string;
  label: string;
  before: Interval;
  after: Interval;
  change: Interval;
  p: number | null;
  users: number;
}

/** What one version of the weights answered. */
export interface VersionAnswer {
  at: Address;
  version: string;
  /** Her first choice of a ranking, or all that she chose. */
  answer: string;
  /** In a ranking: where the item stands that she chose in the data. */
  rank: number | null;
  reward: number | null;
}

/** One question that two versions answered. */
export interface AnswerChange {
  user: string;
  round: number;
  step: number;
  before: VersionAnswer;
  after: VersionAnswer;
  change: number | null;
}

/** `api/runs/RUN/changes?before&after&user`; null while there is one validation alone. */
export interface AnswerChanges {
  validations: string[];
  before: string;
  after: string;
  rows: AnswerChange[];
  /** Whether there are more questions than were read. */
  more: boolean;
  /** Steps that are left out because other items were shown. */
  other_slates: number;
}

/** `api/runs/RUN/training?step`: groups are those of this step. */
export interface Training {
  steps: TrainingStep[];
  versions: string[];
  /** The arms that recorded the validations, in order. */
  validations: string[];
  step: number | null;
  groups: GroupRow[];
  changes: MetricChange[];
}

/** Where a group is learned from. */
export interface GroupPlace {
  step: number;
  group: string;
}

/** `api/runs/RUN/group?step&group`. */
export interface Group {
  step: number;
  group: string;
  node: string;
  at: Address | null;
  mean: number;
  std: number;
  /** Whether all answers earned the same. */
  zero_variance: boolean;
  /** What DPO compared, by numbers of answers; null in a training with GRPO. */
  pairs: { chosen: number; rejected: number; margin: number }[] | null;
  members: {
    number: number;
    reward: number;
    components: Record<string, number>;
    /** Null in a training with DPO, which learns from pairs. */
    advantage: number | null;
    tokens: number;
    version: string;
    text: string | null;
    tokens_colored: { text: string | null; id: number; logprob: number }[] | null;
  }[];
}

export interface ComparedSide {
  folder: string;
  name: string;
  kind: string;
  arm: string;
  seeds: number[];
  rounds: number;
  users: number;
  items: number;
  other_arms: string[];
}

export interface ChangedKey {
  key: string;
  a: string | null;
  b: string | null;
}

export interface MetricDifference {
  metric: string;
  label: string;
  a: number;
  b: number;
  difference: number;
  low: number | null;
  high: number | null;
  p: number | null;
  users: number;
  /** Whether users are paired; else seeds. */
  by_user: boolean;
  verdict: "higher" | "lower" | "unsure" | "equal" | "one seed";
  /** The verdict as it is printed: "better" or "worse" where one direction is better. */
  word: string;
}

/** `api/compare?a&b&arm_a&arm_b&user`. */
export interface Comparison {
  a: ComparedSide;
  b: ComparedSide;
  configuration: ChangedKey[];
  versions: ChangedKey[];
  same_world: boolean;
  /** In which way the worlds are the same, or differ. */
  world: string;
  /** Users with the same id on both sides. */
  common_users: number;
  /** Seeds that are compared with each other: of A, of B. */
  seeds: [number, number][];
  rounds: number;
  /** The last rounds over which the means of metrics are taken. */
  last_rounds: number;
  /** Which rounds these are, and why only these. */
  window: string;
  first_difference: {
    at: Address;
    part: string;
    node: string;
    a: string;
    b: string;
    a_has_user: boolean;
    b_has_user: boolean;
  } | null;
  metrics: MetricDifference[];
  /** With a user: her steps in both. `at` is of side a. */
  steps: { at: Address; same: boolean; parts: string[] }[];
}

/** `api/runs/RUN/search?q&node&user&limit`. */
export interface SearchResult {
  query: string;
  total: number;
  /** Whether there are more than `total`, where counting stopped. */
  more: boolean;
  hits: {
    at: Address;
    node: string;
    attempt: number;
    where: "prompt" | "answer" | "summary";
    snippet: { text: string; hit: boolean }[];
    /** Further users, nodes and kinds with the same text. */
    others: number;
  }[];
  record: RecordLevel;
  /** Whether more was recorded, and the run compacted. */
  compacted: boolean;
}

export interface Note {
  id: string;
  at: Address;
  author: string;
  reason: string;
  created: string;
  kind: "mark" | "ask";
}

/** `api/runs/RUN/notes`; a POST of {at, author, reason} adds one. */
export interface Notes {
  notes: Note[];
}

/** `api/runs/RUN/ask`: what can be asked. */
export interface AskOptions {
  policies: string[];
  max_samples: number;
  /** How more policies can be asked; empty where all of them can. */
  hint: string;
}

/** The answer to a POST of AskQuestion to `api/runs/RUN/ask`. */
export interface AskAnswer {
  asked: number;
  failed: number;
  cost_usd: number | null;
  answers: { completion: string; decision: string; flaws: Record<string, number> }[];
  distribution: { decision: string; count: number; original: boolean }[];
}

export interface AskQuestion {
  at: Address;
  node: string;
  attempt: number;
  messages: Message[];
  policy: string;
  temperature: number | null;
  samples: number;
  author: string;
}

/** In a bundle, under `about`. */
export interface About {
  runs: string[];
  left_out: string;
  command: string;
}
