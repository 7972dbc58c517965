package traps

// chat are traps of the Chat API.
var chat = []Trap{
	{
		60, "pieces of calls without ids or indexes, with empty ones, or all with index 0", "mended where they come in, right where they go out",
		held(
			of(openai, "TestAnswersInBlocks", "no id (60)", "empty ids and names later (60)", "no index (60)", "all under one index (60)", "calls in turns (60)"),
			of(openai, "TestChunksGetTheFormOfTheAPI", "calls without an index, by their ids", "calls without an index or an id, by their order", "all calls with the same index"),
			of(chats, "TestStreamsAndWholeAnswersAgreeWithTheAPI", "a call without arguments or id"), of(chats, "TestWhatClientsSend", "trap 60: calls without ids, or with the same"),
		),
	},
	{
		61, "a body of the Responses API comes to Chat's address", "it is known by `input`, and answered as Chat",
		held(of(chats, "TestBodiesOfTheResponsesAPI", "a question", "an agent's turn", "free text"), all(chats, "TestFaultsOfResponsesBodies")),
	},
	{
		62, "the end stands beside content; the role is in each chunk; there are several `created`", "the end alone, the role once, one time for all chunks",
		held(
			of(chats, "TestStreamComposesChunks", "role only on the first chunk", "reasoning and tool calls"),
			of(chats, "TestStreamPassesOnTheUpstreamsChunks", "all else stays as it is", "keys twice and escaped"), all(e2e, "TestEveryClientIsJudged"),
		),
	},
	{
		63, "the output limit has the wrong name for the upstream", "by its host, or a setting",
		held(
			of(openai, "TestBuildWishes", "the limit (63)", "the limit, at OpenAI's (63)", "the limit, by a setting (63)"), of(chats, "TestWhatClientsSend", "trap 63: both limits"),
			of(pairs, "TestPairs", "an output limit"),
		),
	},
	{
		64, "the reason of the end is changed where bytes are passed on, or not where they are translated", "changed only where they are translated",
		held(
			of(chats, "TestStreamPassesOnTheUpstreamsChunks", "the end is the upstream's own, also after a call (64)"), all(openai, "TestRawAndMore"),
			of(chats, "TestStreamsAndWholeAnswersAgreeWithTheAPI", "a custom call", "the upstream speaks of calls, and there are none"),
			of(pairs, "TestPairs", "a tool that must be called"),
		),
	},
	{
		65, "counts stand beside a choice, or are missing; a stream has no end", "counts come last and alone, or are estimated; without an end, an error",
		held(
			of(chats, "TestStreamPassesOnTheUpstreamsChunks", "counts beside a choice are cut out"), of(openai, "TestStream", "counts with the finish", "the end of the connection before it"),
			all(relay, "TestUsageIsEstimatedWhenTheUpstreamTellsNone", "TestAnswerWithoutAnEndIsTruncated"), all(e2e, "TestBrokenStreamIsNeverAFinishedOne"),
		),
	},
	{
		66, "a call without arguments is no JSON", "`{}` in whole answers and towards other APIs",
		held(
			of(openai, "TestAnswersInBlocks", "no arguments (66)", "empty arguments (66)"), of(chats, "TestWhatClientsSend", "trap 66: arguments empty"),
			of(openai, "TestBuildMessages", "calls and results (66, 67)"),
			of(chats, "TestStreamsAndWholeAnswersAgreeWithTheAPI", "a call without arguments or id"), of(messages, "TestTrapsOfAnswers", "a call without arguments, said as null"),
			all(openai, "TestWholeAnswersGetTheFormOfTheAPI"),
		),
	},
	{
		67, "a call is split from its text, or a schema's keys change places: caches are lost", "one turn is one message, and schemas keep their bytes",
		held(
			of(openai, "TestBuildMessages", "an assistant's turn in several messages (67)"), of(openai, "TestBuildWishes", "tools (41, 67)"),
			of(chats, "TestWhatClientsSend", "trap 67: the keys of schemas and arguments keep their order"), all(openai, "TestPrefixIsStable"), all(anthropic, "TestSchemasKeepTheirOrder"),
		),
	},
	{
		68, "an error is a page of HTML", "an error of the client's API, without the page",
		held(of(openai, "TestRefusals", "a page", "plain text"), of(anthropic, "TestWhatIsNoAnswer", "a page"), all(chats, "TestForeignErrorsTellNothing")),
	},
	{
		69, "streams of clients that ask for no counts are not counted", "the upstream is always asked; without an answer they are estimated. A model whose name makes clients take the Responses API is served by Chat alone",
		held(
			of(openai, "TestEdit", "counts are asked for", "instead of no"), of(chats, "TestStreamPassesOnTheUpstreamsChunks", "a chunk of counts is dropped"),
			all(relay, "TestUsageIsEstimatedWhenTheUpstreamTellsNone"),
		),
	},
	{
		70, "a limit of 64 KB to a line cuts large events", "events grow up to 32 MiB",
		held(all(openai, "TestALargeEvent"), of(cases, "TestCases", "h03")),
	},
	{
		71, "the name of a call comes in pieces", "it is held until its arguments or the end",
		of(openai, "TestAnswersInBlocks", "a name in pieces (71)"),
	},
	{
		72, "`choices: []` before the end, or `tool_calls: []`", "an empty list of choices beside the counts alone, and none of calls; what stood beside one goes with the next chunk",
		held(all(chats, "TestChunksWithoutChoices"), of(openai, "TestChunksGetTheFormOfTheAPI", "no calls in a list (72)"), of(openai, "TestAnswersInBlocks", "an empty list of calls (72)")),
	},
}

// side are traps of the endpoints beside conversations.
var side = []Trap{
	{
		73, "vectors in base64 are read, refused or spoilt", "they pass as they are; only the other form than asked for is converted",
		held(all(openai, "TestVectors"), of(e2e, "TestSideEndpointTraps", "73: vectors in base64, as SDKs ask by default")),
	},
	{
		74, "a form's boundary or content type is lost", "forms go on byte for byte",
		held(of(carried, "TestReadForm", "the model last", "behind a large file"), all(http, "TestCarriedForm"), of(e2e, "TestSideEndpointTraps", "74: a boundary or a content type lost")),
	},
	{
		75, "an upload in chunks is taken for empty", "a form comes in whole, with a length or without",
		held(of(http, "TestCarriedForm", "in chunks"), of(e2e, "TestSideEndpointTraps", "75: a chunked upload read as empty")),
	},
	{
		76, "another name for the model has no effect in forms", "the part of the form is replaced",
		held(all(carried, "TestReadForm"), of(e2e, "TestSideEndpointTraps", "76: another name for the model, in a form")),
	},
}
