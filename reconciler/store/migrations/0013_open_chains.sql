-- Chains of refunds and disputes that do not hold, kept as records change: reading them costs what
-- is broken, not what ever happened.

CREATE TABLE open_chains (
    reference TEXT NOT NULL,
    broken TEXT NOT NULL,
    family TEXT NOT NULL,
    stripe_account TEXT NOT NULL,
    currency TEXT NOT NULL,
    at_risk BIGINT NOT NULL CHECK (at_risk > 0),
    clear_by BIGINT NOT NULL,
    explanation TEXT NOT NULL,
    PRIMARY KEY (reference, broken)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX open_chains_family ON open_chains (family);
