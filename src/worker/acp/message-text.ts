/**
 * An agent's last message, out of the pieces in which it says all of them: what it says after its last tool call is its
 * answer, as with the command lines of the same agents. A last message that is blank does not count. Pure.
 */
export interface MessageText {
  /** False when it would be more than `bytesMax`, all messages together; nothing of the piece is kept then. */
  add(piece: string, messageId: string | null): boolean;
  /** What comes now is another message. */
  endMessage(): void;
  last(): string;
}

export function collectMessages(bytesMax: number): MessageText {
  let bytes = 0;
  let before = '';
  let current = '';
  let currentId: string | null = null;
  const last = (): string => (current.trim() === '' ? before : current);
  const endMessage = (): void => {
    before = last();
    current = '';
  };
  return {
    add(piece, messageId) {
      bytes += Buffer.byteLength(piece);
      if (bytes > bytesMax) return false;
      if (messageId !== currentId) endMessage();
      currentId = messageId;
      current += piece;
      return true;
    },
    endMessage,
    last,
  };
}
