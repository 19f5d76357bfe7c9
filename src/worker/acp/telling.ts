/**
 * What an agent tells during its turn (`session/update`): its messages, what it is doing, what that costs.
 *
 * Its answer is its last message: what it says after its last tool call, as with the command lines of the same agents. A
 * last message that is blank does not count.
 */
import type { Params } from '../../wire/jsonrpc.ts';
import { hasCost, hasTitle, isPlan, isTextChunk, isUpdate } from './messages.ts';
import { shortened } from './shortened.ts';

export interface Telling {
  /** False when all messages together would be longer than `bytesMax`; nothing of what is too much is kept. */
  hear(params: Params | undefined): boolean;
  /** null: it has said nothing, and used no tool. */
  answer(): string | null;
  /** null: it has not said so. */
  costUsd(): number | null;
}

/** `onProgress` is told what the agent is doing, in a few words, each time that this changes. */
export function follow(sessionId: string, bytesMax: number, onProgress: (text: string) => void): Telling {
  let bytes = 0;
  let before = '';
  let message = '';
  let messageId: string | null = null;
  let usedTools = false;
  let doing = '';
  let costUsd: number | null = null;

  const lastMessage = (): string => (message.trim() === '' ? before : message);
  const endMessage = (): void => {
    before = lastMessage();
    message = '';
  };
  const tell = (text: string): void => {
    const now = shortened(text);
    if (now !== doing) onProgress(now);
    doing = now;
  };

  return {
    hear(params) {
      if (!isUpdate(params) || params.sessionId !== sessionId) return true;
      const { update } = params;
      switch (update.sessionUpdate) {
        case 'agent_message_chunk': {
          if (!isTextChunk(update)) break;
          const { content, messageId: id = null } = update;
          bytes += Buffer.byteLength(content.text);
          if (bytes > bytesMax) return false;
          if (id !== messageId) endMessage();
          messageId = id;
          message += content.text;
          break;
        }
        case 'tool_call':
          usedTools = true;
          endMessage();
          if (hasTitle(update)) tell(update.title);
          break;
        case 'tool_call_update':
          if (hasTitle(update)) tell(update.title);
          break;
        case 'plan': {
          if (!isPlan(update)) break;
          const done = update.entries.filter(({ status }) => status === 'completed').length;
          const current = update.entries.find(({ status }) => status === 'in_progress');
          tell(`${done} of ${update.entries.length} done${current === undefined ? '' : `: ${current.content}`}`);
          break;
        }
        case 'usage_update':
          if (hasCost(update)) costUsd = update.cost.amount;
      }
      return true;
    },
    answer: () => (lastMessage() === '' && !usedTools ? null : lastMessage()),
    costUsd: () => costUsd,
  };
}
