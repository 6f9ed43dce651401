-- Rows that somebody else than the service wrote to are noted, so that a check can say so.

-- How often the service wrote the row: a write that does not count it was somebody else's.
ALTER TABLE objects ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- ---------------------------------------------------------------------------------------------
-- Rows that somebody else changed: the service counts what it writes to objects and positions, and
-- never changes a balance transaction. It does not refuse, so that a person in need can mend a row;
-- it does not let it pass unseen.

CREATE TABLE rows_changed_outside (
    relation TEXT NOT NULL CHECK (relation IN ('objects', 'positions', 'balance_transactions')),
    id TEXT NOT NULL,
    revision BIGINT NOT NULL,          -- of the row when it was changed: a later one has mended it
    change TEXT NOT NULL CHECK (change IN ('updated', 'deleted')),
    PRIMARY KEY (relation, id)
) /*+sqlite WITHOUT ROWID */;

/*+sqlite
CREATE TRIGGER objects_changed_outside AFTER UPDATE ON objects
WHEN NEW.revision <= OLD.revision
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside VALUES ('objects', OLD.id, OLD.revision, 'updated');
END;
CREATE TRIGGER objects_deleted_outside AFTER DELETE ON objects
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside VALUES ('objects', OLD.id, OLD.revision, 'deleted');
END;
CREATE TRIGGER positions_changed_outside AFTER UPDATE ON positions
WHEN NEW.lines <> OLD.lines AND NEW.version <= OLD.version
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside
    VALUES ('positions', OLD.reference, OLD.version, 'updated');
END;
CREATE TRIGGER positions_deleted_outside AFTER DELETE ON positions
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside
    VALUES ('positions', OLD.reference, OLD.version, 'deleted');
END;
CREATE TRIGGER movements_changed_outside AFTER UPDATE ON balance_transactions
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside
    VALUES ('balance_transactions', OLD.id, 0, 'updated');
END;
CREATE TRIGGER movements_deleted_outside AFTER DELETE ON balance_transactions
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside
    VALUES ('balance_transactions', OLD.id, 0, 'deleted');
END;
*/
/*+postgresql
CREATE FUNCTION note_outside_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held JSONB := to_jsonb(OLD);
BEGIN
    INSERT INTO rows_changed_outside VALUES (
        TG_TABLE_NAME,
        COALESCE(held ->> 'id', held ->> 'reference'),
        COALESCE(held ->> 'revision', held ->> 'version', '0')::BIGINT,
        LOWER(TG_OP) || 'd'
    ) ON CONFLICT (relation, id) DO UPDATE
        SET revision = excluded.revision, change = excluded.change;
    RETURN NULL;
END $$;
CREATE TRIGGER objects_changed_outside AFTER UPDATE ON objects
    FOR EACH ROW WHEN (NEW.revision <= OLD.revision) EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER objects_deleted_outside AFTER DELETE ON objects
    FOR EACH ROW EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER positions_changed_outside AFTER UPDATE ON positions
    FOR EACH ROW WHEN (NEW.lines <> OLD.lines AND NEW.version <= OLD.version)
    EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER positions_deleted_outside AFTER DELETE ON positions
    FOR EACH ROW EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER movements_changed_outside AFTER UPDATE ON balance_transactions
    FOR EACH ROW EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER movements_deleted_outside AFTER DELETE ON balance_transactions
    FOR EACH ROW EXECUTE FUNCTION note_outside_change();
*/
