import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Sheet } from '../../design/page.js';

/** Of an installation without devices: what to do first, in the order in which it is needed. */
export function FirstSteps(): ReactNode {
  return (
    <Sheet title="The first three steps">
      <ol className="steps">
        <li>
          <div>
            <h3>Add a device</h3>
            <p className="quiet">
              Name its type with its slots, and the device. It gets a password, with which it connects over MQTT.
            </p>
            <Link to="/devices" search={{ add: 'yes' }} className="button first">
              Add a device
            </Link>
          </div>
        </li>
        <li>
          <div>
            <h3>Upload a firmware</h3>
            <p className="quiet">
              The service works out its SHA-256 while it comes, and keeps it once. Then mark the slots that may hold it.
            </p>
            <Link to="/artifacts" className="button">
              Upload a file
            </Link>
          </div>
        </li>
        <li>
          <div>
            <h3>Install it</h3>
            <p className="quiet">
              On one device first, from its page. A rollout brings it to all others, group by group, and stops by itself
              where too many fail.
            </p>
            <Link to="/devices" className="button">
              Choose a device
            </Link>
          </div>
        </li>
      </ol>
    </Sheet>
  );
}
