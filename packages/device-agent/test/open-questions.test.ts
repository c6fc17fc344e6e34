import { describe, expect, it } from '@jest/globals';
import { OpenQuestions } from '../src/protocol/open-questions.ts';
import { ManualClock } from './manual-clock.ts';

const sent = (): Promise<void> => Promise.resolve();

describe('open questions', () => {
  it('each get their own answer, also one that comes while it is still being sent', async () => {
    const questions = new OpenQuestions<string>(new ManualClock());
    const first = questions.ask('1', 'answer', sent);
    const second = questions.ask('2', 'answer', () => {
      questions.answer('2', 'b');
      return sent();
    });
    questions.answer('1', 'a');
    questions.answer('3', 'nobody asked');
    await expect(Promise.all([first, second])).resolves.toEqual(['a', 'b']);
    expect(questions.count).toBe(0);
  });

  it('leave nothing behind where no answer comes, or sending fails', async () => {
    const clock = new ManualClock();
    const questions = new OpenQuestions<string>(clock);
    const lost = questions.ask('1', 'answer about the twin', sent);
    lost.catch(() => undefined);
    const unsent = questions.ask('2', 'answer', () => Promise.reject(new Error('no way out')));
    await expect(unsent).rejects.toThrow('no way out');
    expect(questions.count).toBe(1);
    await clock.advance(30_000);
    await expect(lost).rejects.toMatchObject({ kind: 'timeout', detail: 'no answer about the twin within 30 s' });
    expect(questions.count).toBe(0);
    questions.answer('1', 'late');
  });

  it('end with their connection', async () => {
    const questions = new OpenQuestions<string>(new ManualClock());
    const waiting = questions.ask('1', 'answer', sent);
    questions.end(new Error('cut'));
    await expect(waiting).rejects.toThrow('cut');
    await expect(questions.ask('2', 'answer', sent)).rejects.toThrow('cut');
    expect(questions.count).toBe(0);
  });
});
