/**
 * What skein's ping is compared with: the smallest newline JSON-RPC server that is still a reasonable one. It parses
 * each line, answers with JSON.stringify, and sends the replies to a chunk in one write; nothing is checked or limited.
 */
import { createServer } from 'node:net';

const server = createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    let replies = '';
    for (const line of lines) {
      const { id } = JSON.parse(line);
      replies += JSON.stringify({ jsonrpc: '2.0', id, result: { status: 'ok', timestamp: Date.now() } }) + '\n';
    }
    socket.write(replies);
  });
});
server.listen(0, '127.0.0.1', () => console.error(JSON.stringify(server.address())));
