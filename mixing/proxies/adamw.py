"""AdamW over stacked parameters: each member has its own rate and its own clipped gradient."""

from __future__ import annotations

from typing import Any

_BETAS, _EPSILON, _CLIP = (0.9, 0.95), 1e-8, 1.0


class StackedAdamW:
    """AdamW with decoupled weight decay of matrices, gradients clipped to a norm of one.

    Source: Loshchilov & Hutter, "Decoupled Weight Decay Regularization" (arXiv 1711.05101).
    Departures: gradients are clipped to a norm of one; norms do not decay; betas are .9 and .95, as
    is usual for language models. Members never meet, as if each had an optimiser of its own.

    Args:
        parameters: float32[members, ...] by name.
        peaks: float32[members], the greatest learning rate of each.
        weight_decay: of matrices, per unit of learning rate.
    """

    def __init__(self, parameters: dict[str, Any], peaks: Any, weight_decay: float) -> None:
        import torch

        self._parameters, self._peaks, self._decay = parameters, peaks, weight_decay
        self.first = {name: torch.zeros_like(p) for name, p in parameters.items()}
        self.second = {name: torch.zeros_like(p) for name, p in parameters.items()}

    def step(self, number: int, rate: float) -> Any:
        """One step from the gradients, which are used up.

        Args:
            number: of the step, from 1 on.
            rate: share of the peak learning rate.

        Returns:
            float32[members], norms of the gradients before they were clipped.
        """
        import torch

        with torch.no_grad():
            gradients = {name: p.grad for name, p in self._parameters.items()}
            squares = [g.flatten(1).square().sum(1) for g in gradients.values()]
            norms = torch.stack(squares).sum(0).sqrt()
            clip = (_CLIP / (norms + 1e-6)).clamp(max=1.0)
            bias = [1 - beta**number for beta in _BETAS]
            for name, parameter in self._parameters.items():
                shape = (-1,) + (1,) * (parameter.ndim - 1)
                step = (self._peaks * rate).view(shape)
                gradient = gradients[name].mul_(clip.view(shape))
                first, second = self.first[name], self.second[name]
                first.lerp_(gradient, 1 - _BETAS[0])
                second.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
                if parameter.ndim > 2:
                    parameter.mul_(1 - step * self._decay)
                root = torch.sqrt(second, out=gradient).div_(bias[1] ** 0.5).add_(_EPSILON)
                parameter.addcdiv_(first, root.div_(step), value=-1 / bias[0])
                parameter.grad = None
        return norms
