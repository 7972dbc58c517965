package tokenform

// TestCost is what tests of tokens cost, in US dollars, as far as their models have prices.
type TestCost struct {
	Requests     int     `json:"requests"`
	EstimatedUSD *string `json:"estimated_usd"`
	AtMostUSD    *string `json:"at_most_usd"`
}

// TestPart is what the tests of one upstream's tokens cost.
type TestPart struct {
	Upstream string `json:"upstream"`
	// Model is null where none is known.
	Model *string `json:"model"`
	TestCost
}

// TestPlan is what is known before tests.
type TestPlan struct {
	TestCost
	// Unpriced are the requests of which no price is known.
	Unpriced  int        `json:"unpriced_requests"`
	Upstreams []TestPart `json:"upstreams"`
}

// TestResult is what the test of a token has found.
type TestResult struct {
	TokenID  string  `json:"token_id"`
	Upstream string  `json:"upstream"`
	Model    *string `json:"model"`
	Works    bool    `json:"works"`
	// Class is why it does not work, Advice what to do about that.
	Class   *string `json:"class"`
	Message *string `json:"message"`
	Advice  *string `json:"advice"`
	// RequestID is null where no request was sent.
	RequestID *string `json:"request_id"`
	TotalMS   *int64  `json:"total_ms"`
	Prompt    int     `json:"prompt_tokens"`
	Answer    int     `json:"completion_tokens"`
	// CostUSD is null where no price is known, or nothing was used.
	CostUSD     *string `json:"cost_usd"`
	CostQuality *string `json:"cost_quality"`
}
