-- ---------------------------------------------------------------------------------------------
-- The audit log: who did what. Each row's hash covers its content and the hash of the row before.

CREATE TABLE audit_log (
    -- Rows count from 1 without a gap: see audit_rows_follow_each_other.
    seq BIGINT PRIMARY KEY /*+sqlite CHECK (typeof(seq) = 'integer') */,
    at BIGINT NOT NULL,
    key_id TEXT NOT NULL,              -- empty for a job, and for a person at the command line
    actor TEXT NOT NULL CHECK (actor <> ''),
    role TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action <> ''),
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    before_json TEXT NOT NULL,
    after_json TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL CHECK (length(hash) = 64)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX audit_log_subject ON audit_log (subject, seq);
CREATE INDEX audit_log_action ON audit_log (action, seq);

-- The end of the chain: without it, the last rows could be taken away and nothing would show.
CREATE TABLE audit_head (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
) /*+sqlite WITHOUT ROWID */;
INSERT INTO audit_head (one, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

/*+sqlite
CREATE TRIGGER audit_rows_follow_each_other BEFORE INSERT ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'an audit row follows the last one')
    WHERE NOT EXISTS (SELECT 1 FROM audit_head
                      WHERE seq = NEW.seq - 1 AND hash = NEW.previous_hash);
END;
CREATE TRIGGER the_audit_head_is_the_last_row AFTER INSERT ON audit_log
BEGIN UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash; END;
CREATE TRIGGER audit_rows_are_never_changed BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_rows_are_never_deleted BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER the_audit_head_only_moves_on BEFORE UPDATE ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the head of the audit log only moves on to a row that was written')
    WHERE NEW.seq <> OLD.seq + 1
       OR NOT EXISTS (SELECT 1 FROM audit_log WHERE seq = NEW.seq AND hash = NEW.hash);
END;
CREATE TRIGGER the_audit_head_is_never_deleted BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the head of the audit log stays'); END;
*/
/*+postgresql
CREATE FUNCTION follow_the_audit_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_head
                   WHERE seq = NEW.seq - 1 AND hash = NEW.previous_hash) THEN
        RAISE EXCEPTION 'an audit row follows the last one';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION move_the_audit_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash;
    RETURN NULL;
END $$;
CREATE FUNCTION only_move_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR NEW.seq <> OLD.seq + 1 OR NOT EXISTS (
        SELECT 1 FROM audit_log WHERE seq = NEW.seq AND hash = NEW.hash) THEN
        RAISE EXCEPTION 'the head of the audit log only moves on to a row that was written';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_rows_follow_each_other BEFORE INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION follow_the_audit_head();
CREATE TRIGGER the_audit_head_is_the_last_row AFTER INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION move_the_audit_head();
CREATE TRIGGER audit_rows_are_never_changed BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER the_audit_log_is_never_emptied BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER the_audit_head_only_moves_on BEFORE UPDATE OR DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION only_move_on();
CREATE TRIGGER the_audit_head_is_never_emptied BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
*/
