package routing

import (
	"slices"

	"carousel.internal/gateway/internal/chat"
)

// Parameters are those that a route can set, in the order in which people are shown them.
var Parameters = []chat.ParameterName{
	chat.SetEffort, chat.SetVerbosity, chat.SetServiceTier, chat.SetTemperature, chat.SetTopP, chat.SetOutputLimit,
}

// IsText tells whether a parameter's values are texts; those of the others are numbers.
func IsText(name chat.ParameterName) bool {
	return slices.Contains([]chat.ParameterName{chat.SetEffort, chat.SetVerbosity, chat.SetServiceTier}, name)
}
