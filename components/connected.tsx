/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import { connectAttributes } from '../src/slot'
import { type ElementAttributes, Tag } from './tag'

/** What {@link Connected} is told; what is not named becomes an attribute. */
export interface ConnectedProps extends ElementAttributes {
  /** An address: `jobs.all()`, `jobs.address(['1', '2'])` or `hub.address(['room:1'])`. */
  to: string
  /** Its tag. @default 'div' */
  as?: string | undefined
  /** Whether it receives patches. @default true */
  sink?: boolean | undefined
  /** Slots with `connect={false}`, and anything else. */
  children?: Children
}

/**
 * The connected parent: one connection for all slots inside it. Keep the element as it is for as long as the
 * page lives: a patch that replaces it opens a second connection, one that empties it takes the sink away.
 *
 * @example <Connected to={jobs.all()}><StreamElement manager={jobs} entity="42" stream="state" connect={false} /></Connected>
 */
export function Connected({ to, as = 'div', sink = true, children, ...rest }: ConnectedProps) {
  return (
    <Tag as={as} {...rest} {...connectAttributes(to)}>
      {children}
      {sink && <Sink />}
    </Tag>
  )
}

/**
 * Receives patches. A `<template>`, because it may stand in a `<table>`, `<tr>` or `<ul>` too, where the HTML
 * parser would move a `<div>` out of the connected parent. It is last, so that no visible element changes places.
 */
function Sink() {
  return <Tag as="template" sse-swap="message" hx-swap="none" hx-target="this" />
}
