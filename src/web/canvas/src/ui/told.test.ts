import { expect, test } from 'vitest';
import type { Channel, Delivery } from '../api/types';
import { channelSays, deliverySays, toneOf } from './told';

const NOW = Date.parse('2026-11-23T14:03:00Z');
const delivery = (change: Partial<Delivery>): Delivery => ({ channel: 'webhook', state: 'waiting', attempts: 0, next_attempt_at: null, last_error: null, ended_at: null, ...change });
const channel = (change: Partial<Channel>): Channel => ({ name: 'webhook', target: 'http://hooks', waiting: 0, oldest_waiting_at: null, breaker: { state: 'closed', failures: 0, opened_at: null, retry_at: null, history: [] }, last_delivered_at: null, last_error: null, last_error_at: null, ...change });

test('a delivery says when it arrived, or when it is tried again', () => {
  expect(deliverySays(delivery({}), NOW)).toBe('on its way');
  expect(deliverySays(delivery({ attempts: 3, next_attempt_at: '2026-11-23T14:03:12Z' }), NOW)).toBe('waits after 3 tries, next in 12 s');
  expect(deliverySays(delivery({ state: 'delivered', attempts: 1, ended_at: '2026-11-23T14:02:31Z' }), NOW)).toBe('delivered 14:02:31');
  expect(deliverySays(delivery({ state: 'delivered', attempts: 2, ended_at: '2026-11-23T14:02:31Z' }), NOW)).toBe('delivered 14:02:31, after 2 tries');
  expect(deliverySays(delivery({ state: 'given_up', attempts: 812, ended_at: '2026-11-23T14:02:31Z' }), NOW)).toBe('given up 14:02:31 after 812 tries');
});

test('what arrived late is well, what waits in vain is not', () => {
  expect(toneOf({ state: 'delivered', last_error: 'refused' })).toBe('well');
  expect(toneOf({ state: 'waiting', last_error: null })).toBe('well');
  expect(toneOf({ state: 'waiting', last_error: 'refused' })).toBe('medium');
  expect(toneOf({ state: 'given_up', last_error: 'refused' })).toBe('critical');
});

test('a channel says why it does not tell', () => {
  const open = { state: 'open' as const, failures: 5, opened_at: null, retry_at: '2026-11-23T14:03:40Z', history: [] };
  const says = channelSays(channel({ breaker: open, last_error: 'http://hooks: refused', waiting: 2, oldest_waiting_at: '2026-11-23T14:02:00Z' }), NOW);
  expect(says).toEqual({ tone: 'critical', text: 'Not reached: http://hooks: refused. Tried again in 40 s; 2 wait, the oldest since 14:02:00.' });
  expect(channelSays(channel({ last_delivered_at: '2026-11-23T14:02:31Z' }), NOW).text).toBe('Told last at 14:02:31.');
});
