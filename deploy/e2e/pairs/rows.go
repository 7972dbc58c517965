package pairs

// Rows are what conversations have, each played by a scene of the same name.
var Rows = []Row{
	{What: "text", OverAnthropic: translated, OverOpenAI: translated},
	{What: "characters of every kind, cut anywhere", OverAnthropic: translated, OverOpenAI: translated},
	{What: "one tool", OverAnthropic: translated, OverOpenAI: translated},
	{What: "parallel tools", OverAnthropic: translated, OverOpenAI: translated},
	{What: "a tool that must be called", OverAnthropic: translated, OverOpenAI: translated},
	{
		What: "a failed tool", OverAnthropic: Cell{Translated, "Chat has no field for it: what the result says goes on"},
		OverOpenAI: Cell{Lossy, "Chat has no field for it: the result's text begins with \"[the tool failed]\""},
	},
	{What: "images in tool results", OverAnthropic: translated, OverOpenAI: Cell{Translated, "a user's message behind the results has the image"}},
	{What: "thinking", OverAnthropic: Cell{Translated, "`reasoning_content`"}, OverOpenAI: Cell{Translated, "a block without a signature"}},
	{
		What: "thinking across turns", OverAnthropic: Cell{Translated, "`thinking_blocks` beside `reasoning_content`, with the signature: clients that bring them back go on with the thought"},
		OverOpenAI: Cell{Translated, "`reasoning_content` goes back in a tool's use"},
	},
	{What: "a schema", OverAnthropic: translated, OverOpenAI: translated},
	{What: "images", OverAnthropic: Cell{Lossy, "`detail` is lost"}, OverOpenAI: translated},
	{What: "a document", OverAnthropic: translated, OverOpenAI: translated},
	{What: "stop sequences", OverAnthropic: Cell{Translated, "the answer ends with `stop`"}, OverOpenAI: Cell{Lossy, "Chat does not say which one ended the answer: `end_turn`"}},
	{What: "an output limit", OverAnthropic: translated, OverOpenAI: translated},
	{What: "tokens read from a cache", OverAnthropic: Cell{Translated, "added to `prompt_tokens`"}, OverOpenAI: Cell{Translated, "subtracted from `input_tokens`"}},
	{What: "a refusal", OverAnthropic: Cell{Translated, "`content_filter`"}, OverOpenAI: translated},
	{What: "an error before the stream", OverAnthropic: translated, OverOpenAI: translated},
	{What: "an error in the stream", OverAnthropic: translated, OverOpenAI: translated},
	{What: "a prompt that is too long", OverAnthropic: Cell{Translated, "`context_length_exceeded`"}, OverOpenAI: Cell{Translated, "\"prompt is too long\""}},
	{What: "cancel", OverAnthropic: translated, OverOpenAI: translated},
}

// translated is without loss, and needs no word more.
var translated = Cell{Outcome: Translated}
