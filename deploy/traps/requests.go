package traps

// requests are traps of reading requests of the Messages API.
var requests = []Trap{
	{
		24, "the user's words stand before results; a call has no result, or a result no call", "results first; a missing one is said to be missing; one without a call is told as text",
		held(
			of(messages, "TestTrapsOfRequests", "trap 24: what the user says stands before the results", "trap 24: a call without a result", "trap 24: no result at all",
				"trap 24: a conversation that ends with calls", "trap 24: a result without a call", "trap 24: two results of a call", "trap 24: results in two messages"),
			of(anthropic, "TestBuild", "trap 24: results out of line"), of(openai, "TestBuildMessages", "a call without a result (24)", "a result without a call (24)"),
		),
	},
	{
		25, "images in results vanish", "they follow the results where Chat takes none in them",
		held(
			of(messages, "TestTrapsOfRequests", "trap 25: an image in a result"), of(chats, "TestWhatClientsSend", "trap 25: an image in a tool's content"), of(anthropic, "TestBuild", "trap 25: a tool's image"),
			of(openai, "TestBuildMessages", "images of results (25)", "images of results, where they are taken (25)", "images of results, where there are none (25)"),
			of(pairs, "TestPairs", "images in tool results"),
		),
	},
	{
		26, "messages whose content is a list are passed over", "texts and lists are read everywhere",
		held(of(messages, "TestTrapsOfRequests", "trap 26: content as an array", "trap 26: content as a string"), of(chats, "TestDecode", "parts"), of(chats, "TestWhatClientsSend", "assistant content in parts", "a tool's content in parts")),
	},
	{
		27, "an empty text becomes an empty block, which is refused", "empty texts are left out, and messages of nothing else",
		held(
			of(messages, "TestTrapsOfRequests", "trap 27: an empty text"), of(anthropic, "TestBuild", "trap 27: texts of no words", "trap 27: no text but a call"),
			of(chats, "TestWhatClientsSend", "trap 27: assistant content empty with calls"),
			of(openai, "TestBuildMessages", "a message of nothing (27)"),
		),
	},
	{
		28, "instructions in the middle are refused, or moved to the front", "they keep their place; an upstream's refusal keeps its words",
		held(
			of(messages, "TestTrapsOfRequests", "trap 28: instructions in the middle"), of(anthropic, "TestBuild", "trap 28: and in the middle"),
			of(openai, "TestBuildMessages", "instructions in the middle (28)", "instructions in the middle, in place (28)"), all(openai, "TestPrefixIsStable"),
			of(messages, "TestErrorsOfTheVendor", "a request that is wrong"),
		),
	},
	{
		29, "a line that names the client's version spoils the cache of other upstreams", "only upstreams of its vendor get it",
		held(all(messages, "TestTrap29Attribution"), all(openai, "TestPrefixIsStable")),
	},
	{
		30, "younger fields of tools are refused", "unknown fields are passed over; native, they go on",
		held(of(messages, "TestTrapsOfRequests", "trap 30: members that are younger"), of(messages, "TestWishes", "trap 30: a tool of younger kinds")),
	},
	{
		31, "half a character makes the body invalid for the upstream", "it becomes U+FFFD where the body is written anew",
		held(
			of(messages, "TestTrapsOfRequests", "trap 31: half a character"), of(openai, "TestBuildMessages", "a lone surrogate (31)"),
			of(chats, "TestDecode", "half a surrogate"), of(chats, "TestWhatClientsSend", "trap 31: half a character"),
		),
	},
	{
		32, "`count_tokens` gets fields that it refuses", "nothing is ever added to it",
		all(anthropic, "TestCountTokens"),
	},
	{
		33, "`count_tokens` is missing, fails, or is sent with the wrong key", "the upstream's count where it can, else an estimate",
		held(
			of(http, "TestMessagesRoutes", "trap 33: a question for tokens", "trap 33: with a query", "trap 33: without a key", "trap 33: of nothing"),
			all(relay, "TestCountTokens"), all(anthropic, "TestCountTokens"),
		),
	},
	{
		34, "discovery of models finds none", "Anthropic's form for its clients, page by page, without a redirect",
		held(
			all(messages, "TestTrap34Models"),
			of(http, "TestMessagesRoutes", "trap 34: discovery", "trap 34: with its other key", "trap 34: a page of no size"),
		),
	},
	{
		35, "probes at a client's start get 404, or hang", "an answer at once, without a line in the log",
		held(all(http, "TestTrap35Probes"), of(http, "TestRoutineRequestsAreNotLogged", "a client's probe", "a client's older probe")),
	},
	{
		36, "a probe of one token is refused, or counts against the upstream", "it is a request like another, and a refused request is no token's fault",
		held(
			all(messages, "TestTrap36Probe"), of(anthropic, "TestBuild", "trap 36: one token"), of(openai, "TestBuildWishes", "a limit of one token (36)"),
			of(anthropic, "TestFailures", "wrong input"), all(e2e, "TestNoTokenIsBlamedForWhatIsNotItsFault"),
		),
	},
	{
		37, "a prompt that is too long gets a general error, and clients never send less", "the vendor's words, with the numbers",
		held(all(messages, "TestTrap37Overflow"), all(openai, "TestOverflows"), of(pairs, "TestPairs", "a prompt that is too long")),
	},
	{
		38, "an error in the first event of a 200 counts as an answer", "nothing is sent before there is content: another token is tried, or the error has its status",
		held(
			of(messages, "TestErrorsOfTheVendor", "trap 38: the same in a 200", "trap 38: its fault in a 200"),
			of(anthropic, "TestWhatIsNoAnswer", "an error first"), of(openai, "TestStream", "an error first"),
			all(relay, "TestAnotherTokenIsTriedBeforeTheFirstByte", "TestEventsWithoutContentAreHeldBack"),
		),
	},
	{
		39, "no output limit for Anthropic, or one that cuts answers", "the client's, else the model's largest",
		of(anthropic, "TestBuild", "a question", "trap 39: the client's limit"),
	},
	{
		40, "names of tools are too long, or have dots", "shortened with a hash, and given back",
		held(
			all(names, "TestToolNames"), all(anthropic, "TestNamesOfToolsComeBack"), all(openai, "TestToolNames"),
			of(openai, "TestAnswersInBlocks", "a shortened name (40)"),
		),
	},
	{
		41, "keywords of a schema are refused", "those that the API lacks become words of its description",
		held(of(anthropic, "TestBuild", "trap 41: a schema", "a strict tool"), of(openai, "TestBuildWishes", "tools (41, 67)", "a schema"), of(chats, "TestWhatClientsSend", "response_format json_schema")),
	},
	{
		42, "each request goes to another token, and caches are never read", "a conversation stays with its token while that is well",
		held(all(messages, "TestTrap42Sessions"), all(relay, "TestWhoHasAnAffinityKey", "TestTheKeyOfAConversationStays"), all(e2e, "TestAConversationStaysOnOneToken")),
	},
	{
		43, "counts of caches are missing or null", "they are numbers, 0 too",
		of(messages, "TestTrapsOfAnswers", "trap 43: no cache counts"),
	},
	{
		44, "beta headers are filtered and the fields stay, or the reverse", "both go on, without a list of any",
		held(all(messages, "TestTrap44Headers"), of(messages, "TestWishes", "trap 44: fields of betas"), all(anthropic, "TestNativeStream", "FuzzEdit")),
	},
}
