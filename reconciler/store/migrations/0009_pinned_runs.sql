-- What a run read, so that it can be judged again, and its findings in the order they are shown.

ALTER TABLE run_findings ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
CREATE INDEX run_findings_in_order ON run_findings (run_id, place, finding_id);

-- Everything that a run's outcome follows from, compressed, with its SHA-256; the rules that judged
-- it; and the SHA-256 of the run as it is exported. docs/runs.md says what is hashed.
CREATE TABLE run_pins (
    run_id TEXT PRIMARY KEY REFERENCES runs (id),
    rules TEXT NOT NULL,
    seen /*+sqlite BLOB */ /*+postgresql BYTEA */ NOT NULL,
    seen_sha256 TEXT NOT NULL CHECK (length(seen_sha256) = 64),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64)
) /*+sqlite WITHOUT ROWID */;
/*+sqlite
CREATE TRIGGER run_pins_are_never_changed BEFORE UPDATE ON run_pins
BEGIN SELECT RAISE(ABORT, 'a run is immutable'); END;
CREATE TRIGGER run_pins_are_never_deleted BEFORE DELETE ON run_pins
BEGIN SELECT RAISE(ABORT, 'a run is immutable'); END;
*/
/*+postgresql
CREATE TRIGGER run_pins_are_never_changed BEFORE UPDATE OR DELETE ON run_pins
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
*/
