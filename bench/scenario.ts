/** What a scenario is: cases, candidates, one measurement of each, and the bars that issue 3 sets. */

/** Numbers of one measurement, by name. */
export type Figures = Record<string, number>

/** The figures of one round, by candidate. */
export type Round = Record<string, Figures>

/** What is said on the command line; all numbers have a default in each scenario. */
export interface Flags {
  connections?: number
  bytes?: number
  events?: number
  seconds?: number
  /** Whether the case of 5,000 connections is run, too. */
  many?: boolean
}

/** A figure to reach. */
export interface Bar {
  /** What is compared. */
  what: string
  /** What it is to be. */
  wanted: string
  /** In one round; nothing when a candidate was left out. */
  of(round: Round): number | undefined
  holds(value: number): boolean
}

/** A column of the table. */
export interface Column {
  name: string
  /** Of the figures. */
  figure: string
  digits?: number
}

/** One row of the table. */
export interface Scenario<Case = unknown> {
  name: string
  /** What is done, in a sentence. */
  about: string
  candidates: readonly string[]
  cases(flags: Flags): Case[]
  label(of: Case): string
  /** Starts everything anew, measures, and ends it. */
  measure(candidate: string, of: Case): Promise<Figures>
  columns: readonly Column[]
  /** The figure that is also shown as a ratio to this candidate's. */
  ratio?: { figure: string; to: string }
  bars(of: Case): Bar[]
}

/** Only so that the type of its cases need not be written. */
export function scenario<Case>(own: Scenario<Case>): Scenario {
  return own as Scenario
}

type Value = (round: Round) => number | undefined

/** A figure of one candidate. */
export function figure(candidate: string, name: string): Value {
  return (round) => round[candidate]?.[name]
}

/** A figure of one candidate by the same of another. */
export function ratio(candidate: string, to: string, name: string): Value {
  return (round) => quotient(round[candidate]?.[name], round[to]?.[name])
}

/** How much more it is than that of another. */
export function excess(candidate: string, to: string, name: string): Value {
  return (round) => {
    const [own, other] = [round[candidate]?.[name], round[to]?.[name]]
    return own === undefined || other === undefined ? undefined : own - other
  }
}

/** @example atLeast(1.5, '×', 'deliveries by those of the floor', ratio('headwater', 'floor', 'perSecond')) */
export function atLeast(least: number, unit: string, what: string, of: Value): Bar {
  return { what, wanted: `≥ ${shown(least)} ${unit}`, of, holds: (value) => value >= least }
}

export function atMost(most: number, unit: string, what: string, of: Value): Bar {
  return { what, wanted: `≤ ${shown(most)} ${unit}`.trim(), of, holds: (value) => value <= most }
}

function shown(value: number): string {
  return value.toLocaleString('en')
}

function quotient(own: number | undefined, other: number | undefined): number | undefined {
  return own === undefined || other === undefined ? undefined : own / other
}
