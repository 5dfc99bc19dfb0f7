-- Pieces of uploads whose rows went with their tenant, by the name that the blob store knows them by: removed there
-- later, outside of any transaction.
-- Older versions go on: the table is new, and pieces that nothing names are still removed by their age.
CREATE TABLE removable_pieces (
  name uuid PRIMARY KEY
);
GRANT SELECT, INSERT, DELETE ON removable_pieces TO slipway_worker;
