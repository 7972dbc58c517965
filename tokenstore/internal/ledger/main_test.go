package ledger_test

import _ "time/tzdata" // wherever the tests run
