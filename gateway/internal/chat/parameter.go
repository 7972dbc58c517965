package chat

// Parameter is what the operator says of requests that go by a name of theirs, in the place of
// the client.
type Parameter struct {
	Name ParameterName
	// Value is JSON: a string, or a number, as the name wants it.
	Value string
	// OnlyDefault: it holds only where the request says nothing itself.
	OnlyDefault bool
}

// ParameterName names a parameter in no dialect's words.
type ParameterName string

// The names. Values of the first three are strings.
const (
	SetEffort      ParameterName = "reasoning_effort"
	SetVerbosity   ParameterName = "verbosity"
	SetServiceTier ParameterName = "service_tier"
	SetTemperature ParameterName = "temperature"
	SetTopP        ParameterName = "top_p"
	SetOutputLimit ParameterName = "max_output_tokens"
)

// Names that drivers give what fits one model; routes have no such. Values are whole numbers.
const (
	// SetThinkingBudget is an effort for a model that is told how many tokens it may think.
	SetThinkingBudget ParameterName = "thinking_budget"
	// SetOlderLimit is an output limit for an upstream that knows it by its older name alone.
	SetOlderLimit ParameterName = "max_tokens"
)
