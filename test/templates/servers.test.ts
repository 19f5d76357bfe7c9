/** How each command line is told of an MCP server: what it is started with, and what is left afterwards. */
import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { templates } from '../../src/templates/index.ts';
import { temporaryFolder } from '../server-process.ts';

const server = {
  command: '/usr/bin/node',
  args: ['/opt/my "cli".js', 'bridge'],
  variables: ['MCP_HOST', 'SKEIN_TOKEN'],
};

test('claude: by an argument that names the variables, with its tools allowed', () => {
  const { args, env } = templates.claude.addServer(server, {});
  assert.deepEqual(
    [args[0], ...args.slice(2)],
    ['--mcp-config', '--allowedTools', 'mcp__skein', '--permission-prompt-tool', 'mcp__skein__approve'],
  );
  assert.deepEqual(JSON.parse(args[1]!).mcpServers.skein, {
    command: server.command,
    args: server.args,
    env: { MCP_HOST: '${MCP_HOST}', SKEIN_TOKEN: '${SKEIN_TOKEN}' },
    alwaysLoad: true,
  });
  assert.deepEqual(env, {});
});

test('codex: by an argument in TOML that names the variables', () => {
  assert.deepEqual(templates.codex.addServer(server, {}), {
    args: [
      '-c',
      'mcp_servers.skein={command="/usr/bin/node",args=["/opt/my \\"cli\\".js","bridge"],' +
        'env_vars=["MCP_HOST","SKEIN_TOKEN"],required=true,default_tools_approval_mode="approve"}',
    ],
    env: {},
  });
});

test('opencode: by a variable, over the files of its user', () => {
  const { args, env } = templates.opencode.addServer(server, {});
  assert.deepEqual(args, []);
  assert.deepEqual(JSON.parse(env['OPENCODE_CONFIG_CONTENT']!).mcp.skein, {
    type: 'local',
    command: [server.command, ...server.args],
    environment: { MCP_HOST: '{env:MCP_HOST}', SKEIN_TOKEN: '{env:SKEIN_TOKEN}' },
    enabled: true,
  });
});

describe('gemini: by a home of its own', () => {
  async function homeOf(settings: string | null) {
    const home = await temporaryFolder();
    mkdirSync(join(home, '.gemini', 'history'), { recursive: true });
    writeFileSync(join(home, '.gemini', 'oauth_creds.json'), 'secret');
    if (settings !== null) writeFileSync(join(home, '.gemini', 'settings.json'), settings);
    return home;
  }

  test("it has all that is in the user's, and the settings with the server among theirs", async (t) => {
    const text =
      '{ // mine\n"theme": "a // b", "mcpServers": {"own": {"command": "/* x */"}, "skein": {"url": "x"}} /* end */ }';
    const users = await homeOf(text);
    const { args, env, remove } = templates.gemini.addServer(server, { HOME: users });
    t.after(() => remove?.());
    assert.deepEqual(args, []);
    const home = env['GEMINI_CLI_HOME']!;
    assert.equal(statSync(home).mode & 0o777, 0o700);
    const path = join(home, '.gemini', 'settings.json');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), {
      theme: 'a // b',
      mcpServers: {
        own: { command: '/* x */' },
        skein: {
          command: server.command,
          args: server.args,
          env: { MCP_HOST: '$MCP_HOST', SKEIN_TOKEN: '$SKEIN_TOKEN' },
          trust: true,
        },
      },
    });
    assert.equal(readFileSync(join(home, '.gemini', 'oauth_creds.json'), 'utf8'), 'secret');
    writeFileSync(join(home, '.gemini', 'history', 'kept'), '');

    remove!();
    assert.equal(existsSync(home), false);
    assert.ok(existsSync(join(users, '.gemini', 'history', 'kept')));
    assert.equal(readFileSync(join(users, '.gemini', 'settings.json'), 'utf8'), text);
    assert.ok(lstatSync(join(users, '.gemini', 'oauth_creds.json')).isFile());
  });

  test('a user who has none, and one who has moved it', async (t) => {
    const none = templates.gemini.addServer(server, { HOME: await temporaryFolder() });
    t.after(() => none.remove?.());
    assert.ok(existsSync(join(none.env['GEMINI_CLI_HOME']!, '.gemini', 'settings.json')));
    const moved = templates.gemini.addServer(server, { HOME: '/nowhere', GEMINI_CLI_HOME: await homeOf(null) });
    t.after(() => moved.remove?.());
    assert.ok(existsSync(join(moved.env['GEMINI_CLI_HOME']!, '.gemini', 'oauth_creds.json')));
  });

  test('settings that cannot be read are said to be so', async () => {
    const home = await homeOf('{"theme": ');
    assert.throws(() => templates.gemini.addServer(server, { HOME: home }), /settings\.json is not JSON/);
  });
});
