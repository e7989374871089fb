import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { SignInRequest, SignInWay } from '../../domain/sign-in.js';
import type { Access } from '../model/model.js';
import { Icon } from './icons.js';

interface SignInProps {
  readonly access: Extract<Access, { readonly kind: 'signed-out' }>;
  readonly onSignIn: (credentials: SignInRequest) => void;
}

export function SignIn({ access, onSignIn }: SignInProps): JSX.Element {
  const { ways, trouble, isBusy } = access;
  const [chosen, choose] = useState<SignInWay | undefined>(undefined);
  const [name, setName] = useState('');
  const [secret, setSecret] = useState('');
  const way = chosen ?? ways[0] ?? 'key';
  const other = ways.find((one) => one !== way);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!isBusy)
      onSignIn(way === 'key' ? { apiKey: secret.trim(), supervisorId: name.trim() } : { token: secret.trim() });
  };
  return (
    <main class="sign-in" tabIndex={-1}>
      <h1>Earshot</h1>
      <p>Listen to live calls, whisper to the agent, join in.</p>
      <form onSubmit={submit} aria-describedby={trouble === null ? undefined : 'sign-in-trouble'}>
        {way === 'key' && (
          <label>
            Your supervisor name
            <input
              name="supervisor"
              required
              maxLength={128}
              autoComplete="username"
              value={name}
              onInput={({ currentTarget }) => setName(currentTarget.value)}
            />
          </label>
        )}
        <label>
          {way === 'key' ? 'API key' : 'Token of your identity provider'}
          <input
            name="secret"
            type="password"
            required
            autoComplete="current-password"
            value={secret}
            onInput={({ currentTarget }) => setSecret(currentTarget.value)}
          />
          {way === 'key' && (
            <small>
              <code>npm start</code> keeps it in <code>.earshot/api-key</code>
            </small>
          )}
        </label>
        {trouble !== null && (
          <p class="trouble" id="sign-in-trouble" role="alert">
            <Icon name="alert" /> {trouble.text}
          </p>
        )}
        <button class="primary" type="submit" aria-disabled={isBusy}>
          {isBusy ? 'Signing in …' : 'Sign in'}
        </button>
        {other !== undefined && (
          <button class="plain" type="button" onClick={() => choose(other)}>
            {other === 'key' ? 'Sign in with the API key' : 'Sign in with a token'}
          </button>
        )}
      </form>
    </main>
  );
}
