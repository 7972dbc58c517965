package traps

// responses are traps of the Responses API, and of Codex, its strictest client.
var responses = []Trap{
	{
		45, "deltas without an item, items that only the end has, an end without id, output or counts", "events in the API's order, each item done before the end, which repeats it",
		held(
			all(answered, "TestTrap45StreamsThatNoReaderStumblesOver", "TestGoldenStreams", "TestConformance"), all(judges, "TestEachRuleCanFail"),
			all(codex, "TestRead", "TestStrayDeltas"), of(pairs, "TestPairs", "text", "parallel tools"), all(e2e, "TestEveryClientIsJudged"),
		),
	},
	{
		46, "the upstream ends early, and items stay open", "all that is open is closed, and the answer has failed",
		held(
			all(answered, "TestTrap46AnswersThatBreak", "TestNativeStreamsThatBreak"), of(pairs, "TestPairs", "an error in the stream"),
			of(codex, "TestTrouble", "a stream that is cut/"),
		),
	},
	{
		47, "an item lacks what Codex reads, and vanishes without a word: a refusal, arguments as an object, no summary", "each kind has all of it; Codex gets refusals as text",
		held(all(answered, "TestTrap47ItemsThatCodexReads"), all(codex, "TestDoneItemsThatVanish"), of(codex, "TestTraps", "47: a refusal vanishes with its message")),
	},
	{
		48, "tools of free text are dropped, or their calls come back as functions", "a function with one text where the upstream has none, and back again, in the history too",
		held(
			all(answered, "TestTrap48FreeText"), all(names, "TestWrapFreeTools", "TestUnwrapFreeText", "FuzzFreeText"), all(openai, "TestTrap48FreeTools"),
			all(anthropic, "TestTrap48FreeTools"), of(codex, "TestTurns", "tools/"),
		),
	},
	{
		49, "400 for tools that only the vendor runs, which Codex always lists", "the model does without them, unless they are forced",
		held(all(answered, "TestTrap49ToolsThatOnlyTheVendorRuns"), of(pairs, "TestPairs", "fields"), of(codex, "TestTurns", "tools/")),
	},
	{
		50, "groups of tools are passed over, or joined by characters that upstreams refuse", "one name for both, at most 64 of those allowed; calls are told apart again",
		held(all(answered, "TestTrap50Namespaces", "TestCallsIntoNamespacesInTheHistory"), of(codex, "TestTurns", "tools/")),
	},
	{
		51, "400 for outputs in parts, or for items that are new", "pictures of tools arrive; what nobody knows is left out and counted",
		held(all(answered, "TestTrap51OutputsAndItemsOfAllKinds"), of(codex, "TestTurns", "tools/", "unknown items/"), of(pairs, "TestPairs", "images in tool results")),
	},
	{
		52, "bodies packed with zstd are not read, or grow without a bound", "unpacked, with the same limit before and after",
		held(all(http, "TestContentEncoding"), of(codex, "TestTraps", "52: a body packed with zstd", "52: a bomb of zstd")),
	},
	{
		53, "404 or 405 for a WebSocket costs seconds of retries", "426 at once: the client goes on over HTTP",
		held(all(http, "TestTrap53Upgrades"), all(codex, "TestUpgrades", "TestTrap53UpgradesCostOneRequest")),
	},
	{
		54, "comments don't keep Codex waiting; invented events break other readers", "a `keepalive` with its number, for Codex alone",
		held(all(answered, "TestTrap54SilencesOfCodex", "TestSilencesWhileAnEventIsWritten"), all(codex, "TestIdle", "TestTrap54SilenceIsBridged")),
	},
	{
		55, "429 is final for Codex", "waited for here; what remains is told in a stream, with how long to wait",
		held(all(answered, "TestTrap55ShortagesForCodex"), all(codex, "TestRetries", "TestTrap55AShortageIsWaitedFor")),
	},
	{
		56, "upstreams refuse the role `developer`", "`system`, but at OpenAI's, or by a setting",
		held(of(openai, "TestBuildMessages", "a developer (56)", "a developer, at OpenAI's (56)"), of(pairs, "TestPairs", "fields")),
	},
	{
		57, "`previous_response_id` is passed over, and the model forgets everything", "what is kept here is told anew; what an upstream keeps goes to the token that knows it; else 400",
		held(all(answered, "TestTrap57GoingOnWithAnAnswer"), all(http, "TestTrap57AConversationGoesOn"), all(e2e, "TestTrap57AChainIsTold", "TestResponsesSDK", "TestAVendorsChainKeepsItsToken")),
	},
	{
		58, "counts or ids of a wrong type stop the client", "whole numbers, with their details",
		held(all(answered, "TestTrap58TypesOfCounts"), all(codex, "TestEnds"), of(codex, "TestTraps", "58: counts and ids of their types")),
	},
	{
		59, "the upstream's name of the model is told; a member that it refuses is sent; events follow the end", "the name as asked for; a list of what an upstream does without; the end is the end",
		held(
			all(openai, "TestTrap59TheNameOfTheModel", "TestTrap59MembersThatAreRefused", "TestTrap59FramesAfterTheEnd"), all(answered, "TestTrap59EventsAfterTheEnd"),
		),
	},
}
