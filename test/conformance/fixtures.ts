/**
 * What the conformance suite wants to find on a server: its tools, prompts and resources. They stand behind the product's
 * own HTTP endpoint, in place of those of skein.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  Server,
  type CallToolResult,
  type ClientCapabilities,
  type ElicitRequestFormParams,
  type GetPromptResult,
  type InputRequests,
  type InputRequiredResult,
  type Prompt,
  type ReadResourceResult,
  type RequestId,
  type ServerContext,
  type Tool,
} from '@modelcontextprotocol/server';
import type { Serve } from '../../src/dialects/mcp/http.ts';

type Ctx = ServerContext['mcpReq'];
type Args = Readonly<Record<string, unknown>>;
type Answer<R> = R | InputRequiredResult | Promise<R | InputRequiredResult>;
type Schema = ElicitRequestFormParams['requestedSchema'];

interface FixtureTool {
  readonly input?: Tool['inputSchema'];
  readonly run: (ctx: Ctx, args: Args) => Answer<CallToolResult>;
}

interface FixturePrompt {
  readonly parameters?: readonly string[];
  readonly get: (given: Readonly<Record<string, string>>, ctx: Ctx) => Answer<GetPromptResult>;
}

/** A picture of one pixel, and a sound without a sample. */
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const wav = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';

const text = (said: string): CallToolResult => ({ content: [{ type: 'text', text: said }] });
const says = (said: string): GetPromptResult['messages'][number] => ({
  role: 'user',
  content: { type: 'text', text: said },
});
const picture = { type: 'image', data: png, mimeType: 'image/png' } as const;
const string = { type: 'string' } as const;
const object = (properties: Record<string, object>, ...required: string[]) =>
  ({ type: 'object', properties, required }) as Tool['inputSchema'];

// ---- asking back: in legacy with a request, in modern with a result

/** On the stream of the call. Otherwise it goes to whoever listens, and is lost when nobody does yet. */
const related = (ctx: Ctx): { relatedRequestId: RequestId } => ({ relatedRequestId: ctx.id });
const logged = (ctx: Ctx, data: string): Promise<void> =>
  ctx.notify({ method: 'notifications/message', params: { level: 'info', data } });

async function elicited(ctx: Ctx, properties: Record<string, object>, message = 'Please fill in'): Promise<string> {
  const requestedSchema = object(properties, ...Object.keys(properties)) as unknown as Schema;
  const { action, content = {} } = await ctx.elicitInput({ message, requestedSchema }, related(ctx));
  return `action=${action}, content=${JSON.stringify(content)}`;
}

const states = createRequestStateCodec<string>({ key: 'of the conformance test, and worth nothing' });

const question = (message: string, property: string, type = 'string') =>
  inputRequired.elicit({ message, requestedSchema: object({ [property]: { type } }, property) as unknown as Schema });
const sample = (prompt: string, maxTokens: number) =>
  inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
    maxTokens,
  });

async function ask(inputRequests: InputRequests, state?: string): Promise<InputRequiredResult> {
  return inputRequired(
    state === undefined ? { inputRequests } : { inputRequests, requestState: await states.mint(state) },
  );
}

/** What was answered under a key, if it has the member. */
function answered(ctx: Ctx, key: string, member: string): unknown {
  const response = ctx.inputResponses?.[key] as Record<string, unknown> | undefined;
  const content = response?.['content'] as Record<string, unknown> | undefined;
  return response?.[member] ?? content?.[member];
}

const askName = { user_name: question('What is your name?', 'name') };

// ---- tools

const tools: Readonly<Record<string, FixtureTool>> = {
  test_simple_text: { run: () => text('This is a simple text response for testing.') },
  test_image_content: { run: () => ({ content: [picture] }) },
  test_audio_content: { run: () => ({ content: [{ type: 'audio', data: wav, mimeType: 'audio/wav' }] }) },
  test_embedded_resource: {
    run: () => ({
      content: [
        {
          type: 'resource',
          resource: {
            uri: 'test://embedded-resource',
            mimeType: 'text/plain',
            text: 'This is an embedded resource content.',
          },
        },
      ],
    }),
  },
  test_multiple_content_types: {
    run: () => ({
      content: [
        { type: 'text', text: 'Multiple content types test:' },
        picture,
        {
          type: 'resource',
          resource: {
            uri: 'test://mixed-content-resource',
            mimeType: 'application/json',
            text: JSON.stringify({ test: 'data', value: 123 }),
          },
        },
      ],
    }),
  },
  test_tool_with_logging: {
    run: async (ctx) => {
      await logged(ctx, 'Tool execution started');
      await sleep(50);
      await logged(ctx, 'Tool processing data');
      await sleep(50);
      await logged(ctx, 'Tool execution completed');
      return text('logged');
    },
  },
  test_logging_tool: {
    run: async (ctx) => {
      await ctx.log('info', 'for those who want to hear it');
      return text('logged');
    },
  },
  test_error_handling: {
    run: () => ({ isError: true, ...text('This tool intentionally returns an error for testing') }),
  },
  test_tool_with_progress: {
    run: async (ctx) => {
      const progressToken = ctx._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken === undefined) break;
        await ctx.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
        await sleep(50);
      }
      return text('done');
    },
  },
  test_sampling: {
    input: object({ prompt: string }, 'prompt'),
    run: async (ctx, { prompt }) => {
      const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: String(prompt) } }];
      const { content } = await ctx.requestSampling({ messages, maxTokens: 100 }, related(ctx));
      return text(`LLM response: ${(content as { text?: string }).text}`);
    },
  },
  test_elicitation: {
    input: object({ message: string }, 'message'),
    run: async (ctx, { message }) =>
      text(`User response: ${await elicited(ctx, { username: string, email: string }, String(message))}`),
  },
  test_elicitation_sep1034_defaults: {
    run: async (ctx) =>
      text(
        `Elicitation completed: ${await elicited(ctx, {
          name: { type: 'string', default: 'John Doe' },
          age: { type: 'integer', default: 30 },
          score: { type: 'number', default: 95.5 },
          status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
          verified: { type: 'boolean', default: true },
        })}`,
      ),
  },
  test_elicitation_sep1330_enums: {
    run: async (ctx) => {
      const options = ['option1', 'option2', 'option3'];
      const titled = ['First', 'Second', 'Third'].map((title, i) => ({ const: `value${i + 1}`, title }));
      return text(
        `Elicitation completed: ${await elicited(ctx, {
          untitledSingle: { type: 'string', enum: options },
          titledSingle: { type: 'string', oneOf: titled },
          legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three'] },
          untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
          titledMulti: { type: 'array', items: { anyOf: titled } },
        })}`,
      );
    },
  },
  json_schema_2020_12_tool: {
    input: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } } },
      properties: {
        name: string,
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: string,
        email: string,
      },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
      then: { required: ['phone'] },
      else: { required: ['email'] },
      additionalProperties: false,
    },
    run: () => text('ok'),
  },
  test_missing_capability: {
    run: () => {
      throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
    },
  },
  test_streaming_elicitation: { run: () => ask(askName) },
  test_input_required_result_elicitation: {
    run: (ctx) => {
      const name = answered(ctx, 'user_name', 'name');
      return typeof name === 'string' ? text(`Hello, ${name}!`) : ask(askName);
    },
  },
  test_input_required_result_sampling: {
    run: (ctx) => {
      const said = answered(ctx, 'capital_question', 'text');
      if (said !== undefined) return text(String(said));
      return ask({ capital_question: sample('What is the capital of France?', 100) });
    },
  },
  test_input_required_result_list_roots: {
    run: (ctx) => {
      const roots = answered(ctx, 'client_roots', 'roots');
      return roots === undefined ? ask({ client_roots: inputRequired.listRoots() }) : text(JSON.stringify(roots));
    },
  },
  test_input_required_result_request_state: {
    run: (ctx) =>
      answered(ctx, 'confirm', 'ok') !== undefined && ctx.requestState<string>() === 'asked'
        ? text('state-ok')
        : ask({ confirm: question('Please confirm', 'ok', 'boolean') }, 'asked'),
  },
  test_input_required_result_multiple_inputs: {
    run: (ctx) => {
      const name = answered(ctx, 'user_name', 'name');
      const greeting = answered(ctx, 'greeting', 'text');
      const roots = answered(ctx, 'client_roots', 'roots');
      if (name !== undefined && greeting !== undefined && roots !== undefined) return text(`${greeting} ${name}`);
      const requests = { greeting: sample('Generate a greeting', 50), client_roots: inputRequired.listRoots() };
      return ask({ ...askName, ...requests }, 'asked');
    },
  },
  test_input_required_result_multi_round: {
    run: (ctx) => {
      const state = ctx.requestState<string>();
      const name = answered(ctx, 'step1', 'name');
      const color = answered(ctx, 'step2', 'color');
      if (state === 'round 2' && color !== undefined) return text(`done: ${color}`);
      if (state === 'round 1' && name !== undefined) {
        return ask({ step2: question('Step 2: What is your favorite color?', 'color') }, 'round 2');
      }
      return ask({ step1: question('Step 1: What is your name?', 'name') }, 'round 1');
    },
  },
  test_input_required_result_tampered_state: {
    run: (ctx) =>
      ctx.requestState<string>() === 'asked'
        ? text('untouched')
        : ask({ confirm: question('Please confirm', 'ok', 'boolean') }, 'asked'),
  },
  test_input_required_result_capabilities: {
    run: (ctx) => {
      const { sampling, elicitation } =
        (ctx.envelope as Record<string, ClientCapabilities>)[CLIENT_CAPABILITIES_META_KEY] ?? {};
      const requests = {
        ...(sampling !== undefined && { greeting: sample('Generate a greeting', 50) }),
        ...(elicitation !== undefined && askName),
      };
      return Object.keys(requests).length === 0 ? text('nothing that you could be asked') : ask(requests);
    },
  },
};

// ---- prompts

const prompts: Readonly<Record<string, FixturePrompt>> = {
  test_simple_prompt: { get: () => ({ messages: [says('This is a simple prompt for testing.')] }) },
  test_prompt_with_arguments: {
    parameters: ['arg1', 'arg2'],
    get: ({ arg1, arg2 }) => ({ messages: [says(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  },
  test_prompt_with_embedded_resource: {
    parameters: ['resourceUri'],
    get: ({ resourceUri = '' }) => {
      const embedded = { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' };
      return {
        messages: [
          { role: 'user', content: { type: 'resource', resource: embedded } },
          says('Please process the embedded resource above.'),
        ],
      };
    },
  },
  test_prompt_with_image: {
    get: () => ({ messages: [{ role: 'user', content: picture }, says('Please analyze the image above.')] }),
  },
  test_input_required_result_prompt: {
    get: (_, ctx) => {
      const context = answered(ctx, 'user_context', 'context');
      if (context !== undefined) return { messages: [says(`In the context of ${context}`)] };
      return ask({ user_context: question('What context should the prompt use?', 'context') });
    },
  },
};

function promptEntry([name, { parameters = [] }]: [string, FixturePrompt]): Prompt {
  return { name, description: name, arguments: parameters.map((parameter) => ({ name: parameter, required: true })) };
}

// ---- resources

const resources: Readonly<Record<string, { readonly mimeType: string; readonly text: string } | { blob: string }>> = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { blob: png },
  'test://watched-resource': { mimeType: 'text/plain', text: 'watched' },
};

function read(uri: string): ReadResourceResult {
  const found = resources[uri];
  if (found !== undefined) return { contents: [{ uri, mimeType: 'image/png', ...found }] };
  const [, id] = /^test:\/\/template\/([^/]+)\/data$/.exec(uri) ?? [];
  if (id === undefined) throw new ResourceNotFoundError(uri);
  const data = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
  return { contents: [{ uri, mimeType: 'application/json', text: data }] };
}

// ---- the server

const cached = { ttlMs: 60_000, cacheScope: 'public' } as const;

export const serveFixtures: Serve = () => {
  const server = new Server(
    { name: 'fixtures of the conformance suite', version: '1' },
    {
      capabilities: { tools: {}, prompts: {}, resources: { subscribe: true }, logging: {}, completions: {} },
      requestState: { verify: states.verify },
      cacheHints: {
        'tools/list': cached,
        'prompts/list': cached,
        'resources/list': cached,
        'resources/templates/list': cached,
        'resources/read': cached,
      },
    },
  );
  server.setRequestHandler('tools/list', () => ({
    tools: Object.entries(tools).map(([name, { input = object({}) }]) => ({
      name,
      description: name,
      inputSchema: input,
    })),
  }));
  server.setRequestHandler('tools/call', ({ params: { name, arguments: args = {} } }, { mcpReq }) =>
    known(tools, name).run(mcpReq, args),
  );
  server.setRequestHandler('prompts/list', () => ({ prompts: Object.entries(prompts).map(promptEntry) }));
  server.setRequestHandler('prompts/get', ({ params: { name, arguments: given = {} } }, { mcpReq }) =>
    known(prompts, name).get(given, mcpReq),
  );
  server.setRequestHandler('completion/complete', () => ({
    completion: { values: ['paris', 'park', 'party'], total: 3, hasMore: false },
  }));
  server.setRequestHandler('resources/list', () => ({
    resources: Object.keys(resources).map((uri) => ({ uri, name: uri, description: uri })),
  }));
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template', description: 'data by id' }],
  }));
  server.setRequestHandler('resources/read', ({ params }) => read(params.uri));
  server.setRequestHandler('resources/subscribe', () => ({}));
  server.setRequestHandler('resources/unsubscribe', () => ({}));
  return server;
};

function known<T>(table: Readonly<Record<string, T>>, name: string): T {
  const found = table[name];
  if (found === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `there is no ${name}`);
  return found;
}
