package tokentest

import "carousel.internal/gateway/internal/upstream"

// advice is what to do about each class.
var advice = map[string]string{
	string(upstream.Auth):            "The upstream does not accept it. Replace its secret, or log in again.",
	string(upstream.Quota):           "Its quota is used up. Wait for the reset, or raise the plan.",
	string(upstream.RateLimit):       "It is limited for now. Wait, or give it a smaller weight or a cap.",
	string(upstream.ModelNotAllowed): "Its plan does not include the model. Test it with another one.",
	string(upstream.ModelUnknown):    "The upstream does not have the model. Test with another one.",
	string(upstream.OutdatedClient):  "Raise the client version in the settings.",
	string(upstream.Broken):          "The upstream fails; the token is not to blame. Test again later.",
	string(upstream.Transport):       "The upstream is out of reach. Look at the network and at its base URL.",
	string(upstream.Truncated):       "The answer broke off. Test again; if it stays so, look at the upstream.",
	string(upstream.Region):          "The upstream does not serve this region. Use a proxy elsewhere.",
	string(upstream.Proxy):           "Look at the proxy of the token or of the upstream.",
	string(upstream.TooLarge):        "The model takes less than a short question. Test with another one.",
	string(upstream.CallerFault):     "The upstream refuses the request itself. Test with another model.",
	string(upstream.SealRefused):     "The upstream refuses the request itself. Test with another model.",
	string(upstream.ClientGone):      "The test was ended. Test again.",
	string(upstream.Interrupted):     "The test was ended. Test again.",
	NoModel:                          "Say which model to ask, or list models for the upstream.",
	Rests:                            "It serves nothing now. Bring it back or enable it, then test again.",
	NotReached:                       "Nothing was sent. Test it again.",
	TimedOut:                         "There was no answer within a minute. Test again, or look at the upstream.",
	Away:                             "The tokenstore can’t be asked. Test again when it is back.",
	Other:                            "The message and the log tell more.",
}

// Advice says what to do about a class of failure; empty where it is none.
func Advice(class string) string { return advice[class] }

// Classes are all that a result may have.
func Classes() []string {
	classes := make([]string, 0, len(advice))
	for class := range advice {
		classes = append(classes, class)
	}
	return classes
}
