// Package upstreamsim simulates the upstreams that Carousel's drivers talk to:
// the Cursor RPC (dialect A, AiService/StreamChat, and dialect C, AgentService/Run) with its
// real framing and its checks of a request, an OpenAI-compatible API, and an Anthropic API.
// Tests, the benchmark and the first try of the pair use it.
//
// It writes envelopes, gzip, trailers and checksum checks by hand and shares
// nothing with the gateway's drivers but the generated messages, so that a mistake
// in a driver is not mirrored here. It must not know the gateway or the tokenstore.
//
// # Answers
//
// Every answer echoes the text of the last user message, cut into pieces of 1 to 20
// runes, always the same way for the same text. Where the last one has no text, the
// one before it counts; where none has, the answer is NoText. The OpenAI side and the
// Anthropic side answer under their own ids and the model id with ModelSuffix.
//
// # Scenarios
//
// A scenario is chosen by a model id "sim-<scenario>" ("gpt-4o-sim-<scenario>" is
// the same), or by a Rule for a token or a model. An unknown one is refused: enum 5
// by Cursor, 404 model_not_found by OpenAI, 404 not_found_error by Anthropic. All sides
// know:
//
//	echo               the normal answer
//	echo-request       the text is the request as JSON: on the sides of HTTP the body as it
//	                   was received, on the Cursor side a RequestSummary; the model id
//	                   "echo-request" does the same
//	count-<n>          exactly n text events, CountText(n), 1 <= n <= 10000
//	unicode            UnicodeText: CJK, split emoji, control characters, "data: " and CR LF
//	scripted           what the Script in a user's text says, round by round; not on the older
//	                   protocol of Cursor
//	one-write          the whole answer in one write
//	split-bytes        every byte in a write of its own
//	slow               one text event per Options.SlowInterval
//	delay-<ms>         the normal answer after so many milliseconds
//	hold               the first text event, then nothing until released
//	silence            headers, then nothing until released
//	silence-headers    nothing at all until released
//	heartbeat-only     empty frames, SSE comments or pings until cancelled
//	empty              a success without a text
//	error-after-text   text, then an error (Cursor: enum 41; the others: an error event)
//	eof-mid-frame      text, half a frame or event, the end of the body
//	eof-no-trailer     text, the end of the body
//	cut                text, then the connection closes without the end of the body
//	reset              text, then a TCP reset
//	reset-first        a TCP reset instead of an answer
//	oversized          Cursor: a frame that claims 4 GiB; the others: a line of 64 MiB
//	http-<status>      an HTTP status from 200 to 599 with the side's JSON error
//	http-<status>-html, http-<status>-empty
//	                   with a page of HTML, or with no body
//
// Only the Cursor side:
//
//	joined-end         the empty frame, the text and the end in one write
//	gzip-text          text frames compressed
//	gzip-trailer       the end frame compressed (flags 3)
//	trailer-metadata   an end frame with metadata
//	no-debug           no debug frame at the start
//	status-updates     status, citation and slow pool frames before the text
//	empty-debug        the debug frame and the empty frame, but no text
//	error-<n>          enum n as the first frame, any n from 0 to 999
//	error-<n>-no-debug, error-<n>-empty-details, error-<n>-gzip
//	                   without the readable copy, with an empty list of details,
//	                   or in a compressed trailer
//	error-after-text-<n>
//	                   text, then enum n
//	error-no-details   resource_exhausted without details
//	error-code-<code>  that Connect code without details
//	error-update-required
//	                   the real refusal of an outdated client (enum 28)
//	gzip-bomb          64 MiB of text in a frame of a few kilobytes
//	corrupt-gzip, unknown-flag, bad-proto, bad-trailer
//	                   frames that no decoder may accept
//
// Only the OpenAI side:
//
//	tool-call          calls of the first tools of the request, two at most, with arguments
//	                   that fit their parameters; after results the text of these; the
//	                   model id "tool-call" does the same
//	one-call           the same with one call
//	reasoning          reasoning_content deltas before the text
//	reasoning-field    the same in the field "reasoning"
//	reasoning-call     reasoning_content before tool-call
//	refusal            a refusal instead of a text
//	content-filter     half of the text, finish_reason "content_filter"
//	finish-length      finish_reason "length"
//	describe           a Description of the request as JSON
//	big                8 MiB of text, a MiB a piece
//	cached             half of the prompt's tokens were cached
//	cached-over-prompt more tokens were cached than the prompt has
//	no-usage           no usage, whatever was asked for
//	usage-always       usage in the last chunk with a choice, asked for or not
//	sse-crlf, sse-no-space, sse-comments
//	                   other legal ways to write the same events
//	eof-no-done        everything but [DONE]
//	garbage            a chunk that is not JSON
//	error-context-length
//	                   400 context_length_exceeded, the caller's fault
//	error-context-length-vllm, error-context-length-vllm-flat,
//	error-context-length-llamacpp, error-context-length-words
//	                   the same as other servers say it
//	error-first        status 200, and an error as the first event
//	error-beside-choices
//	                   text, then a chunk with both an error and a choice
//	http-429-quota     429 with insufficient_quota
//
// Streams of the OpenAI side that stray from the API, or use it in an unusual way. Those about
// calls answer as tool-call does where there is nothing to call:
//
//	call-no-id, call-no-index, call-no-type
//	                   pieces of calls without these
//	call-index-zero    all calls under index 0
//	call-id-empty-later
//	                   later pieces with "" as id and name
//	call-id-repeated, call-name-repeated
//	                   every piece with the id, or with id and name
//	call-name-split    the name in three pieces
//	call-whole         each call in one piece
//	call-arguments-object
//	                   arguments that are an object
//	call-no-arguments, call-empty-arguments
//	                   no arguments, or ""
//	call-huge          arguments of 2 MiB in one piece
//	call-cut           the arguments end in their middle, finish_reason "length"
//	calls-mixed        pieces of two calls in turns
//	calls-together     the first pieces of two calls in one chunk
//	call-finish-stop, call-finish-empty, call-no-finish
//	                   finish_reason "stop" or "" after a call, or none
//	one-chunk          reasoning, text and calls in one chunk
//	text-reasoning-text, text-call-text-call, reasoning-text-call, call-then-text
//	                   these in this order
//	finish-tool-calls  finish_reason "tool_calls" without a call
//	finish-error, finish-vendor-code, finish-empty
//	                   finish_reason "error", "insufficient_system_resource" or ""
//	no-finish          no finish_reason
//	finish-with-content
//	                   finish_reason in the last chunk with text
//	no-role            no role
//	first-chunk-content
//	                   text in the first chunk
//	empty-pieces       chunks with empty text between the others
//	empty-calls        "tool_calls":[] in every chunk
//	time-drifts        another created and a role in every chunk
//	empty-choices-first
//	                   a first chunk without a choice
//	usage-chunk-with-choice
//	                   a choice in the usage's chunk
//	usage-everywhere   usage in every chunk
//	after-done         a chunk after [DONE]
//	stream-always, object-always
//	                   the form that was not asked for
//
// The OpenAI side's normal answer is what the request asks for: n choices, JSON where
// response_format wants it, calls where tool_choice forces them (finish_reason "stop" for a
// named one, as the API says), up to a stop text, at most max_tokens pieces.
//
// # The agent side
//
// Cursor's agent protocol (dialect C) is served over HTTP/2 alone, by prior knowledge; HTTP/1.1 is
// told 464, as by the balancer. A Run is played in the upstream's order: the context is asked for,
// then every blob that the request names, whose SHA-256 must be right, then the upstream's own
// blobs are to be kept, and then come steps, deltas, a checkpoint, turn_ended and the end frame.
// turn_ended is withheld until the client has kept all blobs. Scenarios are chosen as above, with
// any model id before, as in "composer-2.5-sim-one-call", or by a marker in the user's text,
// [[sim-<scenario>]]. The normal answer is the active user text, or an instance of a JSON schema
// that a rule or a system message has. It has the scenarios of all sides, those of the Cursor side
// about frames and errors, and of the others big, cached, describe, reasoning,
// error-context-length, tool-call, one-call, reasoning-call, call-huge, text-call-text-call and
// reasoning-text-call. Its own are:
//
//	agent-loop-<n>     n rounds of two parallel calls, whose arguments have "loop-<round>-<index>"
//	                   as texts. The round is told by the results that the history shows, so
//	                   that any Run can go on; the last answer is AgentLoopText
//	call-late          the second call 800 ms after the first
//	call-newline-id    ids with a line end
//	call-other-id      announced under another id than called
//	call-unannounced   called without an announcement
//	call-increments    args_text_delta in pieces instead of growing snapshots
//	call-approval, call-precheck, call-mcp-state
//	                   the question for an approval, the allow-list or the servers before
//	call-unknown       a tool and a server that there are not
//	call-aborted, exec-aborted
//	                   a call, or a question for a file, that is withdrawn at once
//	call-twice         every call is sent twice
//	native-first       read, grep, ls, shell_stream, pi_read and mini_swe, then tool-call
//	native-all         every question that there is, at once
//	native-insists     20 questions for files
//	unknown-exec       a question of field 60
//	query-search, query-ask, query-unknown
//	                   questions to the user
//	reasoning-only, reasoning-tag
//	                   the answer as thinking, or as thinking behind </think>
//	context-inline     the context is not asked for where it came along complete
//	kv-first           blobs are asked for before the context
//	memory-roots, memory-text
//	                   what the roots, or the active text, tell
//	unknown-blob       a blob is asked for that nobody has
//	new-event          an update, a message and fields of kinds that nobody knows
//	no-usage, usage-wild
//	                   an empty turn_ended, or counts that can't be
//	trickle            a frame a second
//	no-turn-ended      the end frame without turn_ended
//	no-end             turn_ended without the end frame
//	text-without-end   text, then heartbeats
//	empty-turn         turn_ended without a text; empty is the end frame alone
//	reset-after-end, error-after-end
//	                   after turn_ended
//	goaway, goaway-first
//	                   GOAWAY and the end of the connection, after text or at once
//	cut                text, then the connection closes; as with goaway, all Runs on it break
//	error-history      invalid_argument for what has more than one root
//	error-retryable    an error of the provider that may be tried again
//	error-message-only an error without details
//	bad-trailer, null-trailer, list-trailer
//	                   end frames that are no end frame's JSON
//
// Calls are made of tools in mcp_tools alone. After a call the Run waits: for the results on the
// same stream, or for the client's reset, which ends it as EndAtCalls; the history of a later Run
// then shows them. AgentRuns has a record of every Run: what was asked, the history, the tools, the
// pictures' SHA-256, calls, results, refusals, and how it ended.
//
// Checks of the agent side have numbers, and a violation's text begins with its own, as
// "rule 17: ". They are answered as the upstream does, and most leave the Run going.
// AgentSettings.Off switches some off, and the other AgentSettings choose between reactions that
// were both seen. Whatever is the world's doing and not the driver's is answered and not counted:
// tokens that have ended, versions below the lowest, models and regions, the limit of Runs. The
// checks are:
//
//	 1  HTTP/2                                2  method, path and content-type
//	 3  connect-protocol-version              4  a bearer
//	 5  client type cli and its version       6  x-ghost-mode; x-request-id, never seen before
//	 7  frames; the first is a run_request    8  nothing begins twice
//	 9  conversation_state                   10  an action with a text or a picture, mode 1
//	11  no custom_system_prompt              12  no exclude_workspace_context
//	13  the model (not counted)              14  region and plan (not counted)
//	15  ids of 32 bytes                      16  every blob is answered, and the right one
//	17  root messages, calls and results     18  turns say what the roots say
//	19  at most 208 roots, 900 kB of text    20  schemas: objects without oneOf, anyOf, allOf
//	21  the same tools in the context        22  answers and closes of questions
//	23  refusals in their own case           24  unknown questions are thrown
//	25  queries are answered, not approved   26  blobs are kept
//	27  a heartbeat every 10 s               28  no half-close before turn_ended
//	29  a new conversation_id for every Run  30  no empty success for a call
//	31  resets are CANCEL                    32  ended Runs are closed within 5 s
//	33  Runs at a time (not counted)         34  no conversation_history
//	35  no envelope around unary messages
//
// Its unary calls are GetUsableModels, GetDefaultModelForCli, AvailableModels and GetServerConfig.
// The catalog is Simulator.SetAgentModels'.
//
// # Logins
//
// CreateAccounts makes accounts that log in: with a refresh token that rotates, a user's API key,
// and access tokens that are JSON Web Tokens of a lifetime. POST /auth/exchange_user_api_key and
// /oauth/token refresh. A refresh token that was used before is answered with the current pair for
// five seconds, and with 401 later; Logins counts both as double refreshes, and tells whether the
// client of the first use was gone before its answer. GET /loginDeepControl is the page of a login,
// its POST approves it as an account or as a new one, and GET /auth/poll completes it (PKCE).
//
// # Endpoints beside chat
//
// The OpenAI side also has completions, embeddings, moderations, rerank, images/generations,
// images/edits, images/variations, audio/speech, audio/transcriptions and audio/translations
// under /v1. An answer can be computed from the request: Embedding is a text's vector, Speech its
// sound; a legacy completion is its prompt (and what stands before a suffix, and that); the best
// document is the last; a text is flagged that is the name of a category; and a Form, as JSON, is
// the text of a sound and the revised_prompt of a picture that was made of others. Tokens, rules,
// the ledger and these scenarios are those of chat:
//
//	echo, count-<n> (completions), big (pictures of 12 MiB), one-write, split-bytes,
//	echo-request (the body as it came, under its own type), delay-<ms>, slow, hold, silence,
//	silence-headers, error-after-text, error-context-length, http-<status> with its variants,
//	eof-mid-frame, eof-no-trailer, cut, reset, reset-first, garbage
//
// # Manners
//
// The OpenAI side takes what OpenAI's API takes of a model that does not reason, and refuses the
// rest in its words. A model id that begins with one or more of these, as in
// "o-style-no-developer-sim-tool-call", has other manners:
//
//	o-style            no max_tokens, no sampling, no stop
//	mistral-style      no max_completion_tokens, no unknown fields: 422, with a message that
//	                   is an object
//	deepseek-style     reasons always; reasoning_content must come back with the calls of a
//	                   turn, and must not with those of turns before
//	strict-vendor      no unknown fields, no empty text parts, no arguments but objects
//	no-developer       no role "developer"
//	no-stream-options  no stream_options
//	no-schema          no response_format of type "json_schema"
//	text-only          no pictures, files, sounds
//	tool-images        pictures in the messages of tools too
//	small-output       at most 4,096 tokens of output may be asked for
//	small-window       a window of 1,000 tokens
//	no-retention       no prompt_cache_retention
//	no-reasoning       no reasoning.effort
//	caching            usage tells how much of the prompt this token has sent before
//	floats-only        embeddings are floats, whatever encoding_format is asked for
//
// Only the Anthropic side, in whose scenarios a whole answer has the status of the error
// that a stream would tell in an event:
//
//	echo-headers       a RequestHead as JSON
//	tool-call          calls of the first tools of the request, two at most, with inputs that
//	                   fit their schemas; after results their text, and a Media for every
//	                   image and document in them
//	one-call           the same with one call
//	reasoning-call     a thinking block before tool-call, asked for or not
//	text-call-text-call, reasoning-text-call, call-then-text
//	                   these in this order
//	call-cut, call-empty-arguments, call-huge
//	                   a call whose input ends in its middle (stop_reason max_tokens), has no
//	                   piece, or is one piece of 2 MiB
//	describe           a Description of the request as JSON
//	big                8 MiB of text, a MiB a piece
//	reasoning          a thinking block before the text, asked for or not
//	redacted-thinking  a redacted block before that
//	server-tool        a web search by the vendor between two texts
//	finish-length, finish-window, finish-pause, refusal
//	                   the normal answer with stop_reason max_tokens,
//	                   model_context_window_exceeded, pause_turn, refusal (with details)
//	cached             half of the input was read from the cache
//	limit-reached      the normal answer, with nothing remaining of the rate limits
//	sse-crlf, sse-no-space, sse-comments
//	                   other legal ways to write the same events
//	eof-no-stop        everything but message_stop
//	garbage            an event that is not JSON
//	new-event          an event, a delta and a block of kinds that nobody knows
//	no-finish          message_stop without message_delta, or no stop_reason
//	after-done         an event after message_stop
//	stream-always, object-always
//	                   the form that was not asked for
//	error-first        the error of 529 as the first event of a 200
//	error-<status>     the error of that status as the first event of a 200
//	error-after-text-<status>
//	                   text, then the error of that status; error-after-text is 529
//	error-invalid-signature
//	                   thinking blocks are refused, own ones too
//	overloaded         529, as http-529
//	rate-limit         429 with Retry-After and the headers of the limits
//	rate-limit-reset   429 with the headers of the limits alone
//	rate-limit-bare    429 without any, as of a monthly cap
//	credit-exhausted, spend-limit
//	                   400, the account's fault
//	organization-disabled
//	                   403 for the whole account
//	error-context-length
//	                   400, the prompt is too long
//	error-context-sum  400, prompt and max_tokens are too long together, unless max_tokens
//	                   is at most 1000
//	without-thinking, without-cache-control, without-system-messages, without-prefill,
//	without-sampling, without-advisor, without-images
//	                   400 for a request that asks for it, in words that clients know; the
//	                   normal answer for any other
//
// The Anthropic side's normal answer is what the request asks for: thinking with a signature
// where that is on (shown or omitted), JSON of output_config.format, calls where tool_choice
// forces them, the rest of the text that a last assistant entry begins, up to a stop sequence,
// at most max_tokens pieces. count_tokens has the same scenarios and the same checks.
//
// # The Responses API
//
// The OpenAI side serves /v1/responses, with GET and DELETE of an answer, cancel, input_items,
// input_tokens and compact. It refuses what OpenAI does, with the parameter's path: what it does
// not know, Chat's parameters, parts in the wrong role, calls without outputs and outputs without
// calls, reasoning without what it led to. A request is then read as a chat, one message an item,
// so that a scenario says what it says there; reasoning.effort or reasoning.summary have the
// answer begin with reasoning, which is told where summary asks for it. Deltas are obfuscated
// unless include_obfuscation is false; logprobs are always empty. Ids of answers are resp_sim…,
// those of items msg_sim…, rs_sim…, fc_sim… and ctc_sim….
//
// Answers are kept unless store is false, the newest 1,000, for the key's organization: another
// one's previous_response_id, item ids and encrypted_content are not found or refused, without a
// note where no driver can know it. A background answer is queued, and done when it is asked for.
// An upgrade to WebSocket is answered 426. An x-codex-turn-state comes back as it came, and is
// given to who names an originator. ResponsesCalls tells which token had which call.
//
// It has the scenarios of all sides, echo-headers (a RequestHead as JSON) and of Chat: cached,
// cached-over-prompt, call-cut, call-empty-arguments, call-huge, call-then-text, content-filter,
// describe, eof-no-done (everything but the last event), error-context-length, error-first,
// finish-length, garbage, big, after-done, no-usage, object-always, one-call, reasoning,
// reasoning-call, reasoning-text-call, refusal, sse-comments, sse-crlf, sse-no-space,
// stream-always, text-call-text-call, text-reasoning-text and tool-call. Its own are:
//
//	annotations        a citation of the text
//	reasoning-text     reasoning as it is, not summed up
//	keepalive          a numbered keepalive event after every delta
//	keepalive-only     nothing but these, after the beginning, until cancelled
//	queued             response.queued before response.in_progress
//	server-tool        a web search by the vendor before the text
//	new-event          an event and an item of kinds that nobody knows
//	no-output          an answer without any item
//	incomplete-object  response.incomplete, though nothing is missing
//	failed             text, then response.failed with server_error
//	failed-rate-limit, failed-context-length, failed-insufficient, failed-overloaded,
//	failed-invalid-prompt, failed-usage-not-include
//	                   the same with rate_limit_exceeded ("try again in 1.5s") and so on
//	failed-first       response.failed after response.created
//	error-event-nested error-after-text in the form of a body
//	error-then-failed  text, an error event, then response.failed
//	error-invalid-encrypted-content
//	                   encrypted_content is refused, own ones too
//	error-no-route     404, as for a path that there is not
//	usage-limit-reached
//	                   429 of an account's plan, with resets_at
//	server-overloaded  503 server_is_overloaded
//	no-deltas, no-added, no-item-done, only-completed
//	                   streams without these events, or with the first and the last alone
//	no-item-ids, no-sequence, sequence-gaps
//	                   without ids of items, without numbers, or numbers with gaps
//	output-empty, completed-no-id, usage-as-text, usage-no-details, model-differs
//	                   a last event that is not as it should be
//	arguments-object   arguments that are an object
//	done-marker        [DONE] after the last event
//
// Servers that speak Chat alone are at other paths: /chat-only/v1 (404 in OpenAI's words),
// /chat-only-fastapi/v1, /chat-only-page/v1 and /chat-only-method/v1 (405) have everything but
// /v1/responses. What is asked there is counted among the ledger's Lookups, by the whole path.
//
// # Organizations, seals, caches
//
// An Anthropic key "sk-ant-org-<name>-<rest>", and one of OpenAI "sk-org-<name>-<rest>", belongs
// to the organization of that name, and any other to one of its own; a Rule can be for an
// organization. Anthropic's prompt cache keeps marked prefixes of any length for five minutes or
// an hour, by model, and usage tells what was read and written. A thinking block is taken back only
// as it was made, by a simulator with the same Options.SealKey.
//
// # Accounts
//
// The Cursor side also tells of the account behind a token, on the paths of the API
// and of the website: GetUserInfo (protobuf), /auth/full_stripe_profile, /api/usage
// and /api/auth/me. Each token's counters grow with its chats. A Quota ends them:
// when a token has used it up, its chats are refused with enum 10, or the one that
// the Quota names.
//
// # Control
//
// Under /sim/, JSON: GET ledger and responses; GET, POST and DELETE rules; POST reset, release,
// quota and client-version; GET scenarios and health. Of the agent side: GET and POST agent
// (AgentSettings) and agent/models, GET agent/runs (?model, ?token, ?subject) and agent/open, POST
// agent/url. Of logins: POST accounts (count and AccountSettings), accounts/change (subject, or
// all) and accounts/revoke (subject, access, refresh), GET accounts, POST polls (statuses). The
// methods of Simulator do the same. A reset leaves settings and accounts as they are.
//
// # Checks
//
// A request that breaks an assertion is answered with HTTP 400 that says what is
// wrong, and noted in the ledger. The Anthropic side refuses what the real one does, in
// its words; only a signature that it did not make is refused without a note, since no
// driver can know it. A request is in flight until just before its last
// byte is written, so that a client that reacts to the end of one answer with the
// next request is never counted twice at once.
package upstreamsim
