package chat

// ToolSpec is a tool that the model may call.
type ToolSpec struct {
	Kind        ToolKind
	Name        string
	Description string
	// Schema is the JSON Schema of a Function's arguments, byte for byte as the client
	// wrote it; nil: it takes none.
	Schema []byte
	// Strict tells whether the arguments must fit the schema; nil: not said.
	Strict *bool
	Cache  *CacheMark
	// Own is the whole definition in the client's dialect, with what has no canonical form.
	Own *Opaque
}

// ToolKind says who runs a tool, and what it takes.
type ToolKind string

// The kinds.
const (
	// Function takes JSON by a schema and is run by the client.
	Function ToolKind = "function"
	// Custom takes free text and is run by the client.
	Custom ToolKind = "custom"
	// Hosted is run by the upstream that offers it, or has a schema that only it knows.
	Hosted ToolKind = "hosted"
)

// ToolChoice rules which tools an answer may or must call.
type ToolChoice struct {
	Mode ToolMode
	// Names are the only tools that may be called; nil: any may.
	Names []string
}

// ToolMode is whether an answer calls tools.
type ToolMode string

// The modes. The zero value leaves it to the upstream, which takes it as ToolsAuto.
const (
	ToolsAuto     ToolMode = "auto"
	ToolsNone     ToolMode = "none"
	ToolsRequired ToolMode = "required"
)

// Sampling shifts how an answer is found. What is nil was not said.
type Sampling struct {
	// Temperature goes from 0 to 2 in some dialects, to 1 in others.
	Temperature, TopP                 *float64
	PresencePenalty, FrequencyPenalty *float64
	TopK                              *int
	Seed                              *int64
	// LogitBias is a JSON object by token.
	LogitBias []byte
}

// Thinking is the client's wish for how the model thinks before it speaks.
type Thinking struct {
	Mode ThinkingMode
	// Effort is how much; empty: not said.
	Effort Effort
	// Budget bounds it, in tokens; 0: nothing does.
	Budget int
	// Show is how much of it the client wants to see: omitted, summarized, auto, concise,
	// detailed; empty: not said.
	Show string
}

// ThinkingMode is whether the model thinks.
type ThinkingMode string

// The modes. The zero value leaves it to the upstream.
const (
	ThinkingOff      ThinkingMode = "off"
	ThinkingOn       ThinkingMode = "on"
	ThinkingAdaptive ThinkingMode = "adaptive"
)

// Effort is how much a model thinks.
type Effort string

// The efforts, by growing amount.
const (
	EffortNone    Effort = "none"
	EffortMinimal Effort = "minimal"
	EffortLow     Effort = "low"
	EffortMedium  Effort = "medium"
	EffortHigh    Effort = "high"
	EffortXHigh   Effort = "xhigh"
	EffortMax     Effort = "max"
)

// Output is the form that the answer is to have. The zero value is text.
type Output struct {
	Form OutputForm
	// Name and Description are those of a schema.
	Name, Description string
	// Schema is a JSON Schema, byte for byte as the client wrote it.
	Schema []byte
	// Strict tells whether the answer must fit the schema; nil: not said.
	Strict *bool
}

// OutputForm is a form of answers.
type OutputForm string

// The forms.
const (
	TextOutput   OutputForm = ""
	JSONOutput   OutputForm = "json"
	SchemaOutput OutputForm = "schema"
)
