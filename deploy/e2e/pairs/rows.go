package pairs

// Rows are what conversations have, each played by a scene of the same name.
var Rows = []Row{
	{What: "text", OverAnthropic: translated, OverOpenAI: translated, OverCursor: translated, Responses: all},
	{What: "characters of every kind, cut anywhere", OverAnthropic: translated, OverOpenAI: translated, OverCursor: translated, Responses: all},
	{What: "one tool", OverAnthropic: translated, OverOpenAI: translated, OverCursor: translated, Responses: all},
	{What: "parallel tools", OverAnthropic: translated, OverOpenAI: translated, OverCursor: translated, Responses: all},
	{
		What: "a tool that must be called", OverAnthropic: translated, OverOpenAI: translated, OverCursor: Cell{Lossy, "a sentence in the instructions; of one tool, no other is declared"},
		Responses: Cells{translated, translated, Cell{Lossy, "a sentence in the instructions; of one tool, no other is declared"}},
	},
	{
		What: "a failed tool", OverAnthropic: Cell{Translated, "Chat has no field for it: what the result says goes on"},
		OverOpenAI: Cell{Lossy, "Chat has no field for it: the result's text begins with \"[the tool failed]\""},
		OverCursor: Cell{Translated, "Chat has no field for it: what the result says goes on"},
		Responses:  all,
	},
	{
		What: "images in tool results", OverAnthropic: translated, OverOpenAI: Cell{Translated, "a user's message behind the results has the image"}, OverCursor: Cell{Translated, "a user's message behind the results has the image"},
		Responses: Cells{Cell{Translated, "a user's message behind the results has the image"}, translated, Cell{Translated, "a user's message behind the results has the image"}},
	},
	{
		What: "thinking", OverAnthropic: Cell{Translated, "`reasoning_content`"}, OverOpenAI: Cell{Translated, "a block without a signature"}, OverCursor: Cell{Translated, "`reasoning_content`, or a block without a signature"},
		Responses: Cells{Cell{Translated, "a reasoning item, with a seal of our own"}, Cell{Translated, "a reasoning item; `encrypted_content` holds the signature, under a mark of our own"}, Cell{Translated, "a reasoning item, with a seal of our own"}},
	},
	{
		What: "thinking across turns", OverAnthropic: Cell{Translated, "`thinking_blocks` beside `reasoning_content`, with the signature: clients that bring them back go on with the thought"},
		OverOpenAI: Cell{Translated, "`reasoning_content` goes back in a tool's use"},
		OverCursor: Cell{Lossy, "thoughts of earlier turns are left out"},
		Responses:  Cells{Cell{Translated, "`reasoning_content` goes back in a tool's use"}, Cell{Translated, "the signature goes back as it was"}, Cell{Lossy, "thoughts of earlier turns are left out"}},
	},
	{
		What: "a schema", OverAnthropic: translated, OverOpenAI: translated, OverCursor: Cell{Refused, "nothing would enforce it; of JSON mode the instructions tell"},
		Responses: Cells{translated, translated, Cell{Refused, "nothing would enforce it; of JSON mode the instructions tell"}},
	},
	{
		What: "images", OverAnthropic: Cell{Lossy, "`detail` is lost"}, OverOpenAI: translated, OverCursor: Cell{Lossy, "`detail` is lost; 400 for models that see none"},
		Responses: Cells{translated, Cell{Lossy, "`detail` is lost"}, Cell{Lossy, "`detail` is lost; 400 for models that see none"}},
	},
	{
		What: "a document", OverAnthropic: translated, OverOpenAI: translated, OverCursor: Cell{Refused, "but for those that are text"},
		Responses: Cells{translated, translated, Cell{Refused, "but for those that are text"}},
	},
	{
		What: "stop sequences", OverAnthropic: Cell{Translated, "the answer ends with `stop`"}, OverOpenAI: Cell{Lossy, "Chat does not say which one ended the answer: `end_turn`"}, OverCursor: Cell{Translated, "kept by the gateway, which ends the run"},
		Responses: Cells{noWord, noWord, noWord},
	},
	{
		What: "an output limit", OverAnthropic: translated, OverOpenAI: translated, OverCursor: Cell{Lossy, "kept by the gateway, which estimates tokens and ends the run"},
		Responses: Cells{translated, translated, Cell{Lossy, "kept by the gateway, which estimates tokens and ends the run"}},
	},
	{
		What: "tokens read from a cache", OverAnthropic: Cell{Translated, "added to `prompt_tokens`"}, OverOpenAI: Cell{Translated, "subtracted from `input_tokens`"}, OverCursor: Cell{Translated, "as the client's API counts"},
		Responses: Cells{translated, Cell{Translated, "added to `input_tokens`"}, Cell{Translated, "as the client's API counts"}},
	},
	{
		What: "a refusal", OverAnthropic: Cell{Translated, "`content_filter`"}, OverOpenAI: translated, OverCursor: Cell{Absent, "the upstream has no word for it"},
		Responses: Cells{translated, Cell{Translated, "`incomplete`: `content_filter`"}, Cell{Absent, "the upstream has no word for it"}},
	},
	{What: "an error before the stream", OverAnthropic: translated, OverOpenAI: translated, OverCursor: translated, Responses: all},
	{What: "an error in the stream", OverAnthropic: translated, OverOpenAI: translated, OverCursor: translated, Responses: Cells{inStream, inStream, inStream}},
	{
		What: "a prompt that is too long", OverAnthropic: Cell{Translated, "`context_length_exceeded`"}, OverOpenAI: Cell{Translated, "\"prompt is too long\""}, OverCursor: Cell{Translated, "in the words of the client's API"},
		Responses: Cells{tooLong, tooLong, tooLong},
	},
	{What: "cancel", OverAnthropic: translated, OverOpenAI: translated, OverCursor: translated, Responses: all},
}

// translated is without loss, and needs no word more.
var translated = Cell{Outcome: Translated}

// What clients of Responses get over every upstream.
var (
	all      = Cells{translated, translated, translated}
	noWord   = Cell{Absent, "the API has no field for it"}
	inStream = Cell{Translated, "`response.failed`"}
	tooLong  = Cell{Translated, "`context_length_exceeded`, in a stream as `response.failed`"}
)
