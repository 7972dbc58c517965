package traps

// answers are traps of writing answers of the Messages API.
var answers = []Trap{
	{
		1, "two blocks share an index", "each block that opens has the next index, and is closed once",
		held(of(messages, "TestTrapsOfAnswers", "trap 01: two blocks share an index", "calls that come in turns"), all(e2e, "TestJudgesAgreeWithOfficialSDKs")),
	},
	{
		2, "a delta stands before its block's start", "a block opens right before its first delta",
		of(messages, "TestTrapsOfAnswers", "trap 02: a delta before its block's start"),
	},
	{
		3, "the start has the whole input, and deltas repeat it", "`input: {}` in the start, JSON in deltas alone",
		held(of(messages, "TestTrapsOfAnswers", "trap 03: the start has the input that the deltas repeat"), of(pairs, "TestPairs", "one tool")),
	},
	{
		4, "the index stays from thinking to a call", "as 1",
		of(messages, "TestTrapsOfAnswers", "trap 04: the index stays from thinking to a call"),
	},
	{
		5, "text stays open when thinking follows", "another kind of content closes the block",
		of(messages, "TestTrapsOfAnswers", "trap 05: text stays open when thinking follows"),
	},
	{
		6, "a text block has `input`", "each kind of block has its own fields alone",
		of(messages, "TestTrapsOfAnswers", "trap 06: input in a text block"),
	},
	{
		7, "`message_start` counts no input", "an estimate first, the upstream's count in `message_delta`",
		of(messages, "TestTrapsOfAnswers", "trap 07: no input in message_start"),
	},
	{
		8, "a call that was cut passes as complete", "`max_tokens`; the block is closed, and nothing repaired",
		held(
			of(messages, "TestTrapsOfAnswers", "trap 08: a call that was cut is mended"), of(messages, "TestStopReasons", "the limit, behind a call"),
			of(openai, "TestAnswersInBlocks", "an end within arguments (8)"), of(chats, "TestStreamsAndWholeAnswersAgreeWithTheAPI", "a call that was cut"),
		),
	},
	{
		9, "cached tokens count twice between the APIs", "subtracted for Messages, added for Chat, never below 0",
		held(
			of(messages, "TestTrapsOfAnswers", "trap 09: cached tokens count twice", "trap 09: more is cached than was sent"),
			of(chats, "TestUsageDetails", "from caches", "nonsense"), all(anthropic, "TestNativeStream"), all(openai, "TestUsageIsReadWithItsParts"),
			of(pairs, "TestPairs", "tokens read from a cache"),
		),
	},
	{
		10, "`stop` as a text goes where a list is needed", "always a list",
		held(
			of(chats, "TestDecode", "where the answer ends, in one text"), of(chats, "TestWhatClientsSend", "trap 10: stop as a text"), of(anthropic, "TestBuild", "trap 10: stops"),
			of(messages, "TestWishes", "trap 10: stop texts"), of(openai, "TestBuildWishes", "ends (10)"),
		),
	},
	{
		11, "`message_delta` without `usage`", "it always has one",
		of(messages, "TestTrapsOfAnswers", "trap 11: message_delta without usage"),
	},
	{
		12, "there are calls, and the answer ends with `end_turn`", "`tool_use` after a call, unless the answer was cut",
		held(
			of(messages, "TestTrapsOfAnswers", "trap 12: calls, and end_turn"),
			of(openai, "TestAnswersInBlocks", "a call's that is said as another's", "a call and an empty reason (12)", "a call and no reason (12)"),
			of(chats, "TestStreamsAndWholeAnswersAgreeWithTheAPI", "a call without arguments or id"),
		),
	},
	{
		13, "`tool_use` without any call", "translated, a natural end; native, as it came",
		held(
			of(messages, "TestTrapsOfAnswers", "trap 13: tool_use without a call"), of(openai, "TestAnswersInBlocks", "an end that is no call's (13)"),
			all(anthropic, "TestNativeEndOfNoCall"),
			of(chats, "TestStreamsAndWholeAnswersAgreeWithTheAPI", "the upstream speaks of calls, and there are none"),
		),
	},
	{
		14, "a chunk has thinking, text and a call at once", "in this order, a block each",
		held(of(messages, "TestTrapsOfAnswers", "trap 14: thinking, text and a call at once"), of(openai, "TestAnswersInBlocks", "all in one chunk (14)")),
	},
	{
		15, "blocks of the vendor's tools and of calls change places", "all blocks keep their order",
		held(
			all(messages, "TestTrap15OwnBlocks"), of(messages, "TestTrapsOfRequests", "trap 15: blocks of the vendor's own"),
			all(anthropic, "TestNativeStream", "TestEdit", "FuzzEdit"),
		),
	},
	{
		16, "the gateway's own pings hide that the upstream is dead", "silence is measured on the upstream's side alone",
		held(all(messages, "TestTrap16Pings"), all(http, "TestTrap16Silence", "TestSilenceBeforeTheFirstEvent"), all(openai, "TestSignsOfLifeAreNoProgress", "TestConformance"), all(anthropic, "TestConformance")),
	},
}

// reasoning are traps of thoughts and their seals.
var reasoning = []Trap{
	{
		17, "thoughts are lost, or shown as the answer", "a block, or `reasoning_content`, by the client's API",
		held(
			of(messages, "TestTrapsOfAnswers", "trap 17: thinking is shown as the answer"), of(openai, "TestBuildMessages", "thoughts always (17)"),
			of(chats, "TestStreamsAndWholeAnswersAgreeWithTheAPI", "sealed thoughts", "another maker's seal"), of(pairs, "TestPairs", "thinking"),
		),
	},
	{
		18, "the thought before a call is missing in the history", "blocks keep their order; where a thought is lost, the request goes on without thinking",
		held(
			of(messages, "TestTrapsOfRequests", "trap 18: thinking is lost before a call"),
			of(anthropic, "TestBuild", "traps 18 and 20: a lost one", "a sealed thought comes back"), of(pairs, "TestPairs", "thinking across turns"),
		),
	},
	{
		19, "efforts, budgets and wishes for summaries are lost", "each becomes the nearest that the model has",
		held(
			of(messages, "TestWishes", "trap 19: thinking with a budget", "trap 19: adaptive thinking", "trap 19: no thinking"),
			of(anthropic, "TestBuild", "trap 19: an effort", "trap 19: a budget"), all(anthropic, "TestThinkingOfEachModel"), all(openai, "TestEffort"),
		),
	},
	{
		20, "signatures are forged, or another maker's", "none is ever made; another's are left out; a refused one is, once",
		held(
			of(messages, "TestTrapsOfAnswers", "trap 20: a signature is forged"), all(messages, "TestTrap20Seals"),
			of(anthropic, "TestEdit", "trap 20: thoughts of another"), of(openai, "TestBuildMessages", "thoughts never (20)"),
			of(chats, "TestWhatClientsSend", "trap 20: thinking_blocks of another maker"),
			all(openai, "TestSealsAreNotSent"), all(relay, "TestARefusedSealIsLeftOut", "TestARefusedSealIsLeftOutOnce"),
		),
	},
	{
		21, "sealed thoughts meet another account", "the conversation stays with its token; a refusal is known by its words, and no token is blamed",
		held(
			of(anthropic, "TestEdit", "traps 20 and 21: a refused seal"), of(anthropic, "TestFailures", "seal refused"),
			all(relay, "TestARefusedSealIsLeftOut"), all(e2e, "TestAConversationStaysOnOneToken"),
		),
	},
	{
		22, "an upstream wants `reasoning_content` back in a tool's use", "it goes back there; a setting says when else",
		held(
			of(openai, "TestBuildMessages", "thoughts in a loop of tools (22)"), of(messages, "TestTrapsOfRequests", "trap 22: thinking without a signature"),
			of(pairs, "TestPairs", "thinking across turns"),
		),
	},
	{
		23, "what an upstream puts beside a call is lost, such as Gemini's signature", "members that nobody knows go to the client and back",
		held(
			of(openai, "TestAnswersInBlocks", "the signature of a call (23)"), of(openai, "TestBuildMessages", "members that the upstream wants back (23)"),
			of(chats, "TestStreamsAndWholeAnswersAgreeWithTheAPI", "what the upstream wants back beside a call"),
			of(chats, "TestWhatClientsSend", "extra members of calls"), all(messages, "TestTrap23Extras"),
		),
	},
}
